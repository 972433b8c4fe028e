//! The rules of the chart as a file that `promtool` reads, without what is Kubernetes' of it.

use super::golden::setups;
use super::kept::kept;
use super::render::file;

#[tokio::test]
async fn the_rules_that_are_tried_are_those_of_the_chart() {
    let setups = setups().await.into_iter();
    let documents =
        setups.flat_map(|(name, documents)| (name == "everything").then_some(documents));
    let rule = documents
        .flatten()
        .find(|it| it.kind() == "PrometheusRule")
        .unwrap();
    let (_, spec) = rule.text.split_once("\nspec:\n").unwrap();
    let lines = spec
        .lines()
        .map(|line| line.strip_prefix("  ").unwrap_or(line));
    let rules: String = lines.map(|line| format!("{line}\n")).collect();
    kept(&file("alerts/rules.yaml"), &rules);
}
