//! What is told of the bundles, so that somebody else's is known for what it is.

use super::*;

/// Two webhooks that somebody gave something of their own.
fn meddled(run: &Run, annotations: &Value, pem: &[u8]) {
    let mut configuration = run.server.get(keys::BIND_WEBHOOK).unwrap();
    configuration["metadata"]["annotations"] = annotations.clone();
    let bundle = k8s_openapi::ByteString(pem.to_vec());
    for webhook in configuration["webhooks"].as_array_mut().unwrap() {
        webhook["clientConfig"]["caBundle"] = json!(bundle);
    }
    run.server.put(keys::BIND_WEBHOOK, configuration);
}

fn foreign() -> String {
    let now = Clock::system().wall();
    let contents = crate::certificates::Contents::make(Bundle::default(), now);
    contents.unwrap().authorities.to_pem()
}

#[tokio::test(start_paused = true)]
async fn what_is_there_is_always_one_that_was_told() {
    let run = Run::new(server(&json!({})));
    let mut seen = 0;
    for second in 0..400 {
        run.written(1).await;
        let (told, there) = run.told_and_there();
        if !told.is_empty() {
            let is_told = |it: &String| told.contains(it);
            assert!(there.iter().all(is_told), "{told:?} {there:?}");
        }
        seen = seen.max(told.len());
        // A CA takes the place of the one before, and a day later that one goes.
        match second {
            20 => run.shift(SignedDuration::from_hours(24 * 244)),
            300 => run.shift(SUPERSEDED),
            _ => {}
        }
    }
    assert_eq!(seen, 2, "the one before and the one after");
    let (told, there) = run.told_and_there();
    assert!(there.iter().eq(told.iter()), "{told:?} {there:?}");
    assert_eq!(run.published()[0].len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_annotation_or_a_foreign_bundle_changes_nothing_of_what_is_told() {
    let run = Run::new(server(&json!({})));
    run.written(5).await;
    let (before, _) = run.told_and_there();
    assert_eq!(before.len(), 1);

    // Nobody gives it back while a certificate is new, and still it is not ours.
    let ours = run.published()[0].to_pem();
    meddled(&run, &json!({}), (ours.clone() + &foreign()).as_bytes());
    run.written(5).await;
    let (told, there) = run.told_and_there();
    assert_eq!(told, before);
    assert!(
        !there.contains(&before[0]),
        "it is there as long as it may count"
    );

    let given = json!({keys::CA_BUNDLE: keys::CA_BUNDLE_GIVEN});
    meddled(&run, &given, foreign().as_bytes());
    run.written(5).await;
    assert_eq!(run.told_and_there().0, before);

    // A leader that comes later is told by the Secret, and not by what it finds.
    run.bundles.send_replace(Vec::new());
    let mut next = Run::new(run.server.clone());
    next.begin();
    next.written(5).await;
    assert_eq!(next.told_and_there().0, before);
}
