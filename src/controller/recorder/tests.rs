//! The order of writes.

use super::*;

fn write(name: &str, is_loss: bool) -> Write {
    let facts = Facts {
        pool: None,
        identity: Err(crate::domain::Reason::NotInPool),
        readiness: crate::domain::Readiness::Ready,
        network_at_fault: false,
        returned: false,
    };
    Write {
        name: name.into(),
        change: Change::Observed(Box::new(facts)),
        base: Arc::default(),
        is_loss,
    }
}

fn names(queue: &mut Queue) -> Vec<String> {
    std::iter::from_fn(|| queue.pop())
        .map(|write| write.name.to_string())
        .collect()
}

#[test]
fn losses_are_written_before_gains() {
    let mut queue = Queue::default();
    for (name, is_loss) in [("a", false), ("b", true), ("c", false), ("d", true)] {
        queue.push(write(name, is_loss));
    }

    assert_eq!(names(&mut queue), ["b", "d", "a", "c"]);
}

#[test]
fn a_node_has_one_write_at_a_time_and_the_next_goes_on_from_it() {
    let mut queue = Queue::default();
    queue.push(write("a", false));
    queue.push(write("a", true));
    queue.push(write("b", false));
    assert_eq!(names(&mut queue), ["a", "b"]);

    let kept = Kept {
        version: "7".to_owned(),
        ..Kept::default()
    };
    queue.finish(&Done {
        name: "a".into(),
        kept: Some(Arc::new(kept)),
    });

    let next = queue.pop().unwrap();
    assert_eq!((next.name.as_str(), next.base.version.as_str()), ("a", "7"));
    assert!(queue.pop().is_none());
}
