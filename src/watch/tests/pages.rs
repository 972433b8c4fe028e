//! What is listed from a server without streaming lists, and how.

use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use serde_json::{Value, json};

use super::*;

/// As the API server of Kubernetes 1.33 answers where feature gate `WatchList` is off.
fn refusal(field: &str) -> (u16, String) {
    let why =
        "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled";
    let causes = json!([{"reason": "FieldValueForbidden", "message": why, "field": field}]);
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": format!("ListOptions.meta.k8s.io \"\" is invalid: {field}: Forbidden: {why}"), "reason": "Invalid",
        "details": {"group": "meta.k8s.io", "kind": "ListOptions", "causes": causes}, "code": 422});
    (422, status.to_string())
}

fn refused() -> (u16, String) {
    refusal("sendInitialEvents")
}

/// A page with one object, and the token of the next; an object as anybody may make it.
fn page(name: &str, next: &str, annotation: &str) -> String {
    let fields = json!([{"manager": "m", "time": "9999-12-31T23:59:59Z"}]);
    let object = json!({"metadata": {"name": name, "resourceVersion": "3", "managedFields": fields,
        "annotations": {"a": annotation}}});
    json!({"kind": "NodeList", "apiVersion": "v1",
        "metadata": {"resourceVersion": "5", "continue": next}, "items": [object]})
    .to_string()
}

fn first() -> (u16, String) {
    (200, page("a", "to/b", ""))
}

fn last() -> (u16, String) {
    (200, page("b", "", ""))
}

fn gone() -> (u16, String) {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {"continue": "inconsistent"},
        "status": "Failure", "code": 410, "reason": "Expired", "message": "the continue parameter is too old"});
    (410, status.to_string())
}

/// What an event is called, so that sequences can be compared.
fn names(seen: &[Event<()>]) -> String {
    let of = |event: &Event<()>| match event {
        Event::Alive => "alive",
        Event::Applied(()) => "applied",
        Event::Deleted(()) => "deleted",
        Event::Listed => "listed",
        Event::Started => "started",
    };
    seen.iter().map(of).collect::<Vec<_>>().join(" ")
}

#[tokio::test(start_paused = true)]
async fn a_server_without_streaming_lists_is_read_in_pages_and_watched_from_there() {
    let began = tokio::time::Instant::now();
    let watched = line("DELETED", "7", "");

    let (seen, asked) = events(vec![refused(), first(), last(), (200, watched)], 5).await;

    assert_eq!(names(&seen), "started applied applied listed deleted");
    assert!(asked[0].contains("sendInitialEvents=true"), "{asked:?}");
    for (page, more) in asked[1..3].iter().zip(["limit=500 ", "continue=to%2Fb "]) {
        assert!(!page.contains("watch"), "{page}");
        assert!(page.contains("limit=500"), "{page}");
        assert!(page.contains(more), "{page}");
    }
    assert!(asked[3].contains("watch=true"), "{asked:?}");
    assert!(asked[3].contains("resourceVersion=5 "), "{asked:?}");
    assert!(!asked[3].contains("sendInitialEvents"), "{asked:?}");
    assert!(began.elapsed().is_zero(), "nothing failed");
}

#[tokio::test(start_paused = true)]
async fn pages_that_are_cut_short_never_count_as_a_list() {
    let whole = page("b", "", "");
    let (half, _) = whole.split_at(whole.len() / 2);
    let mut without: Value = serde_json::from_str(&whole).unwrap();
    without.as_object_mut().unwrap().remove("items");
    let broken = [
        (200, String::new()),
        (200, half.to_owned()),
        (200, without.to_string()),
        (500, String::new()),
        gone(),
    ];
    for cut in broken {
        let what = format!("{cut:?}");
        let script = vec![refused(), first(), cut, refused(), first(), last()];

        let (seen, asked) = events(script, 6).await;

        let expected = "started applied started applied applied listed";
        assert_eq!(names(&seen), expected, "{what}");
        assert!(asked[3].contains("sendInitialEvents=true"), "{asked:?}");
        assert!(!asked[4].contains("continue="), "{asked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_another_reason_is_a_failure() {
    let began = tokio::time::Instant::now();

    let (seen, asked) = events(vec![refusal("fieldSelector"), (200, listed("5"))], 2).await;

    assert_eq!(names(&seen), "started listed");
    assert!(asked[1].contains("sendInitialEvents=true"), "{asked:?}");
    assert_eq!(began.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_silent_watch_reads_the_pages_anew_and_takes_a_streaming_list_once_there_is_one() {
    let quiet = || (200, RESTS.to_owned());
    let began = tokio::time::Instant::now();
    let script = vec![
        refused(),
        last(),
        quiet(),
        refused(),
        last(),
        quiet(),
        (200, listed("9")),
    ];

    let (seen, asked) = events(script, 8).await;

    let expected = "started applied listed started applied listed started listed";
    assert_eq!(names(&seen), expected);
    assert_eq!(asked.len(), 7, "{asked:?}");
    assert_eq!(began.elapsed(), 2 * SILENCE);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_too_long_is_asked_for_again_with_fewer_objects() {
    let long = || (200, page("b", "", &"x".repeat(9 << 20)));
    let script = vec![refused(), first(), long(), long(), last()];

    let (seen, asked) = events(script, 4).await;

    assert_eq!(names(&seen), "started applied applied listed");
    for (page, limit) in asked[2..].iter().zip(["500", "250", "125"]) {
        assert!(page.contains(&format!("limit={limit}&")), "{page}");
        assert!(page.contains("continue=to%2Fb"), "{page}");
    }

    // One object alone that is too long is a failure, and no list.
    let began = tokio::time::Instant::now();
    let mut script = vec![refused()];
    script.extend(std::iter::repeat_with(long).take(9));
    script.extend([refused(), last()]);
    let (seen, asked) = events(script, 4).await;
    assert_eq!(names(&seen), "started started applied listed");
    assert!(asked[9].contains("limit=1 "), "{asked:?}");
    assert_eq!(began.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn only_metadata_is_listed_of_what_is_watched_by_its_metadata() {
    let (client, asked) = server(vec![refused(), last()]);
    let api = Api::<PartialObjectMeta<Namespace>>::all(client);
    let params = WatchParams::default()
        .labels("x=y")
        .fields("metadata.name=b");

    let events = watch("namespaces", api, params).take(3);
    let seen: Vec<_> = events.map(|event| event.map(|_| ())).collect().await;

    assert_eq!(names(&seen), "started applied listed");
    let asked = asked.lock().unwrap();
    for part in [
        "labelSelector=x%3Dy",
        "fieldSelector=metadata.name%3Db",
        "as=PartialObjectMetadataList",
    ] {
        assert!(asked[1].contains(part), "{asked:?}");
    }
}
