//! The chart's README: what every value means.

use std::fmt::Write as _;

use trustpool_harness::helm::chart;

use super::kept::kept;
use super::values::{Key, flow, keys};

const HEAD: &str = include_str!("readme.md");

fn row(key: &Key) -> String {
    let path = key.path.join(".");
    let default = match &key.default {
        None => String::new(),
        Some(value) => format!("`{}`", flow(value)),
    };
    format!("| `{path}` | {default} | {} |", key.description)
}

#[test]
fn the_readme_has_every_value() {
    let mut text = format!("{HEAD}\n## Values\n\n| value | default | |\n|---|---|---|\n");
    for key in keys() {
        writeln!(text, "{}", row(&key)).unwrap();
    }
    kept(&chart().join("README.md"), &text);
}
