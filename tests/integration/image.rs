//! What the image is built from says the same as what everything else is built from.

use std::path::Path;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// What stands between the first pair of quotes after `key`.
fn quoted(text: &str, key: &str) -> String {
    let (_, after) = text.split_once(key).unwrap();
    after.split('"').nth(1).unwrap().to_owned()
}

/// The lines of the list `key = [`, as they are.
fn list(text: &str, key: &str) -> Vec<String> {
    let (_, after) = text.split_once(&format!("{key} = [\n")).unwrap();
    let (inside, _) = after.split_once("]\n").unwrap();
    inside.lines().map(str::to_owned).collect()
}

#[test]
fn the_image_is_built_by_the_toolchain_of_the_project() {
    let channel = quoted(&read("rust-toolchain.toml"), "channel");
    let builder = format!("rust:{channel}-slim-");
    assert!(
        read("Dockerfile").contains(&builder),
        "Dockerfile has no {builder}"
    );
}

#[test]
fn licences_in_the_image_are_those_that_are_allowed() {
    let accepted = list(&read("image/about.toml"), "accepted");
    assert_eq!(accepted, list(&read(".deny.toml"), "allow"));
}

#[test]
fn both_images_run_as_somebody_without_rights() {
    let text = read("Dockerfile");
    let stages: Vec<&str> = text.split("\nFROM ").skip(2).collect();
    assert_eq!(stages.len(), 2);
    for stage in stages {
        assert!(stage.contains("\nUSER 65532:65532\n"), "{stage}");
    }
}
