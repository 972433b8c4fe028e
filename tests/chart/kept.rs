//! Files that are generated and committed.

use std::fs;
use std::path::Path;

#[expect(
    clippy::disallowed_methods,
    reason = "the test runner has no flags for tests"
)]
fn update() -> bool {
    std::env::var("UPDATE").is_ok_and(|update| update == "1")
}

/// Says that the file at `path` is `expected`; with `UPDATE=1` it becomes so.
pub fn kept(path: &Path, expected: &str) {
    if update() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, expected).unwrap();
        return;
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    let differ = found
        .lines()
        .zip(expected.lines())
        .position(|(one, other)| one != other);
    let at = differ.unwrap_or_else(|| found.lines().count().min(expected.lines().count()));
    let line = |text: &str| text.lines().nth(at).unwrap_or("(its end)").to_owned();
    assert!(
        found == expected,
        "{} is stale from line {} on, where it says\n  {}\nand now comes out\n  {}\nIf that is meant: UPDATE=1 cargo test --test chart",
        path.display(),
        at + 1,
        line(&found),
        line(expected),
    );
}
