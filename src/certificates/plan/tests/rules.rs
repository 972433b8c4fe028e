//! What is done first, what next, and for which reason.

use super::*;

/// The first letters of every step until there is nothing to do, and when to look again.
fn steps(world: &mut World, now: Now) -> (Vec<&'static str>, Timestamp) {
    let mut steps = Vec::new();
    loop {
        let step = world.plan(now);
        steps.push(match &step {
            Step::Issue(_) => "issue",
            Step::Keep(_) => "keep",
            Step::Make { .. } => "make",
            Step::Publish(_) => "publish",
            Step::Wait { until } => return (steps, *until),
        });
        world.take(step, now);
    }
}

fn wall(now: Now, later: SignedDuration) -> Timestamp {
    after(now.wall, later)
}

const MINUTES: SignedDuration = SignedDuration::from_mins(2);

#[test]
fn the_first_time_each_step_follows_the_last_at_once() {
    let mut world = World::new();

    let (steps, until) = steps(&mut world, second(0));

    assert_eq!(steps, ["make", "publish", "issue"]);
    let life = SignedDuration::from_hours(90 * 24 + 1);
    assert_eq!(
        until,
        after(
            second(-3600).wall,
            SignedDuration::from_secs(life.as_secs() / 3 * 2)
        )
    );
    assert_eq!(world.bundles[0], world.bundles[1]);
    assert_eq!(world.bundles[0], world.kept().to_pem().as_bytes());
}

#[test]
fn without_a_webhook_certificates_are_made_all_the_same_and_published_when_there_is_one() {
    let mut world = World::default();

    assert_eq!(steps(&mut world, second(0)).0, ["make", "issue"]);

    world.bundles = vec![Vec::new()];
    assert_eq!(steps(&mut world, second(9)).0, ["publish"]);
}

#[test]
fn what_an_administrator_gave_is_left_alone() {
    let state = State::read(
        None,
        None,
        Published::Given,
        &mut Memory::default(),
        second(0),
    );
    let until = Timestamp::MAX;

    assert_eq!(plan(&state, &names(), second(0)), Step::Wait { until });
}

#[test]
fn a_ca_is_replaced_after_two_thirds_of_its_life_and_the_old_one_stays() {
    let mut world = World::settled(second(0));
    let old = world.kept();
    let due = old.iter().next().unwrap().due();
    let moment = |earlier| Now {
        wall: due - SignedDuration::from_secs(earlier),
        ..day(243)
    };
    // A certificate that is not due itself.
    world.leaf = None;
    world.act(moment(2));
    assert_eq!(world.plan(moment(1)), Step::Wait { until: due });

    let (why, previous) = (Why::Old, old.clone());
    assert_eq!(world.plan(moment(0)), Step::Make { why, previous });

    let (steps, until) = steps(&mut world, moment(0));
    assert_eq!(steps, ["make", "publish"]);
    assert_eq!(until, wall(moment(0), MINUTES));
    assert_eq!(world.kept().len(), 2);
    assert!(world.kept().contains(old.iter().next().unwrap()));
    assert_eq!(world.bundles[0], world.kept().to_pem().as_bytes());
}

#[test]
fn a_new_ca_issues_when_it_was_published_for_two_minutes_and_the_old_one_goes_a_day_later() {
    let mut world = World::settled(second(0));
    steps(&mut world, day(200));
    steps(&mut world, day(244));
    let after = |seconds| second(244 * DAY.as_secs() + seconds);

    assert_eq!(steps(&mut world, after(119)).0, <[&str; 0]>::default());
    assert_eq!(world.plan(after(120)), Step::Issue(Why::OtherAuthority));
    let (taken, until) = steps(&mut world, after(120));
    assert_eq!(taken, ["issue"]);
    assert_eq!(until, wall(after(120), SUPERSEDED));

    let superseded = 120 + SUPERSEDED.as_secs();
    assert_eq!(
        steps(&mut world, after(superseded - 1)).0,
        <[&str; 0]>::default()
    );
    assert_eq!(steps(&mut world, after(superseded)).0, ["keep", "publish"]);
    assert_eq!(world.kept().len(), 1);
    assert_eq!(world.bundles[1], world.kept().to_pem().as_bytes());
}

#[test]
fn what_one_webhook_alone_has_is_not_published() {
    let mut world = World::settled(second(0));
    let old = world.bundles[0].clone();
    world.act(day(244));
    let new = world.kept().to_pem().into_bytes();
    world.bundles = vec![new, old];
    let later = |seconds| second(244 * DAY.as_secs() + seconds);

    assert!(matches!(world.plan(later(1)), Step::Publish(_)));
    let (taken, until) = steps(&mut world, later(120));

    assert_eq!(taken, ["publish"]);
    assert_eq!(until, wall(later(120), MINUTES));
}

#[test]
fn a_certificate_that_is_not_good_is_replaced_for_a_reason() {
    let settled = World::settled(second(0));
    let other = World::settled(second(0)).leaf.unwrap().pem;
    let (other, key) = (other.clone(), other.key);
    let shown = settled.leaf.clone().unwrap().pem;
    let due = Certificate::from_pem(shown.certificate.as_bytes());
    let due = Now {
        wall: due.unwrap().due(),
        ..day(60)
    };
    let half = shown.certificate.get(..99).unwrap().to_owned();
    let certificate = shown.certificate.clone();
    let pem = |certificate, key| Some(Pem { certificate, key });
    let table = [
        (due, Some(shown.clone()), Why::Old),
        (second(9), None, Why::Missing),
        (second(9), Some(other), Why::OtherAuthority),
        (
            second(9),
            pem(half, shown.key),
            Why::Unreadable(Error::Certificate),
        ),
        (
            second(9),
            pem(certificate, key),
            Why::Unreadable(Error::Mismatch),
        ),
    ];
    for (now, pem, why) in table {
        let mut world = settled.clone();
        let authorities = world.kept().to_pem();
        world.leaf = pem.map(|pem| Secret { pem, authorities });

        assert_eq!(world.plan(now), Step::Issue(why));
    }
}

#[test]
fn a_server_that_is_called_otherwise_has_a_certificate_for_that() {
    let named = Names::new(["other.trustpool-system.svc"]).unwrap();
    let state = World::settled(second(0)).state(second(9));

    let step = plan(&state, &named, second(9));

    assert_eq!(step, Step::Issue(Why::OtherNames));
}

#[test]
fn what_was_made_by_a_clock_that_was_ahead_is_replaced() {
    let mut world = World::settled(second(0));
    let previous = world.kept();

    assert!(matches!(world.plan(second(-3600)), Step::Wait { .. }));
    let why = Why::TooNew;
    assert_eq!(world.plan(second(-3601)), Step::Make { why, previous });
}

#[test]
fn a_ca_that_was_lost_is_trusted_until_its_certificates_are_replaced() {
    let mut world = World::settled(second(0));
    let old = world.kept();
    world.authority = None;

    let (taken, until) = steps(&mut world, day(9));

    assert_eq!(taken, ["make", "publish"]);
    assert_eq!(until, wall(day(9), MINUTES));
    assert_eq!(world.kept().len(), 2);
    assert!(world.kept().contains(old.iter().next().unwrap()));
}

#[test]
fn a_ca_whose_key_is_lost_is_replaced() {
    let mut world = World::settled(second(0));
    world.authority.as_mut().unwrap().pem.key.clear();

    let (why, previous) = (Why::Unreadable(Error::Key), world.kept());
    assert_eq!(world.plan(second(9)), Step::Make { why, previous });
}

#[test]
fn what_was_published_is_put_right_and_nothing_that_counts_is_taken_too_soon() {
    let mut world = World::settled(second(0));
    let other = World::settled(second(0)).kept();
    let right = world.bundles[0].clone();

    world.bundles[1] = [&right[..], other.to_pem().as_bytes()].concat();
    assert_eq!(steps(&mut world, second(9)).0, ["publish"]);
    assert_eq!(Bundle::read(&world.bundles[0]).len(), 2);
    assert_eq!(world.kept().to_pem().as_bytes(), right, "it is not ours");

    world.bundles[1] = b"no PEM".to_vec();
    assert_eq!(steps(&mut world, second(9)).0, ["publish"]);
    assert_eq!(steps(&mut world, day(1)).0, ["publish"]);
    assert_eq!(world.bundles, [right.clone(), right]);
}

#[test]
fn an_expired_ca_goes_whatever_the_server_shows() {
    let mut world = World::settled(second(0));
    steps(&mut world, day(244));
    world.memory = Memory::default();
    assert_eq!(world.kept().len(), 2);

    let (taken, _) = steps(&mut world, day(366));

    assert_eq!(taken, ["keep", "publish", "issue"]);
    assert_eq!(world.kept().len(), 1);
}
