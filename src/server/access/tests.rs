//! Tokens, and what is made of the API server's answers.

use axum::http::HeaderValue;
use k8s_openapi::api::authentication::v1::TokenReviewStatus;
use k8s_openapi::api::authorization::v1::SubjectAccessReviewStatus;

use super::*;

fn header(value: &str) -> HeaderMap {
    let value = HeaderValue::from_str(value).unwrap();
    HeaderMap::from_iter([(AUTHORIZATION, value)])
}

#[test]
fn a_token_is_what_follows_bearer_and_nothing_else() {
    assert_eq!(bearer(&header("Bearer abc.def")), Some("abc.def"));
    assert_eq!(bearer(&header("bearer  abc")), Some("abc"));
    for other in ["Basic abc", "Bearer", "Bearer ", "abc", ""] {
        assert_eq!(bearer(&header(other)), None, "{other}");
    }
    assert_eq!(bearer(&HeaderMap::new()), None);
    let long = "x".repeat(LONGEST);
    assert!(bearer(&header(&format!("Bearer {long}"))).is_some());
    assert!(bearer(&header(&format!("Bearer {long}x"))).is_none());
}

fn review(authenticated: Option<bool>, error: Option<&str>) -> TokenReview {
    let user = UserInfo {
        username: Some("prometheus".to_owned()),
        ..UserInfo::default()
    };
    TokenReview {
        status: Some(TokenReviewStatus {
            authenticated,
            error: error.map(str::to_owned),
            user: Some(user),
            ..TokenReviewStatus::default()
        }),
        ..TokenReview::default()
    }
}

#[test]
fn nobody_is_known_unless_the_api_server_is_sure() {
    let user = known(review(Some(true), None)).unwrap();
    assert_eq!(user.username.as_deref(), Some("prometheus"));
    for unsure in [
        review(Some(true), Some("the webhook did not answer")),
        review(Some(false), None),
        review(None, None),
        TokenReview::default(),
    ] {
        assert_eq!(known(unsure), None);
    }
}

#[test]
fn what_is_asked_is_get_of_metrics_by_that_user() {
    let user = UserInfo {
        groups: Some(vec!["monitoring".to_owned()]),
        uid: Some("7".to_owned()),
        username: Some("prometheus".to_owned()),
        ..UserInfo::default()
    };
    let spec = question(user).spec;
    assert_eq!(spec.user.as_deref(), Some("prometheus"));
    assert_eq!(spec.groups, Some(vec!["monitoring".to_owned()]));
    assert_eq!(spec.uid.as_deref(), Some("7"));
    let what = spec.non_resource_attributes.unwrap();
    assert_eq!(
        (what.verb.as_deref(), what.path.as_deref()),
        (Some("get"), Some("/metrics"))
    );
    assert_eq!(spec.resource_attributes, None);
}

#[test]
fn only_a_clear_yes_is_one() {
    let says = |allowed, denied| SubjectAccessReview {
        status: Some(SubjectAccessReviewStatus {
            allowed,
            denied,
            ..SubjectAccessReviewStatus::default()
        }),
        ..SubjectAccessReview::default()
    };
    assert!(is_allowed(&says(true, None)));
    assert!(is_allowed(&says(true, Some(false))));
    for no in [
        says(false, None),
        says(true, Some(true)),
        SubjectAccessReview::default(),
    ] {
        assert!(!is_allowed(&no));
    }
}
