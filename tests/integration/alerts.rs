//! Alerts and dashboard ask for metrics and labels that there are, and the runbook has a section for each alert.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use promql_parser::parser::{self, Expr, VectorSelector};
use promql_parser::util::{ExprVisitor, walk_expr};
use serde_json::Value;

use crate::metrics::documented;

/// Metrics of others, with the labels that are asked for: of Prometheus itself, and of kube-state-metrics.
const OF_OTHERS: [(&str, &[&str]); 5] = [
    ("kube_daemonset_status_number_unavailable", &["daemonset"]),
    ("kube_lease_owner", &["lease", "lease_holder"]),
    ("kube_pod_info", &["node"]),
    ("kube_pod_status_ready", &["condition"]),
    ("up", &[]),
];

/// What Prometheus adds to everything that it asks a pod for.
const OF_THE_POD: [&str; 2] = ["namespace", "pod"];

/// What a histogram is asked for by.
const PARTS: [&str; 3] = ["_bucket", "_count", "_sum"];

fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(path).unwrap()
}

/// Each alert with its expression; another test holds the file to what the chart renders.
fn alerts() -> BTreeMap<String, String> {
    let rules: Value = serde_saphyr::from_str(&file("tests/chart/alerts/rules.yaml")).unwrap();
    let groups = rules["groups"].as_array().unwrap();
    let rules = groups.iter().flat_map(|it| it["rules"].as_array().unwrap());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    rules
        .map(|rule| (text(&rule["alert"]), text(&rule["expr"])))
        .collect()
}

/// Each expression of the dashboard, with its panel.
fn panels() -> Vec<(String, String)> {
    let dashboard = file("charts/trustpool/files/dashboard.json");
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| {
        let targets = panel["targets"].as_array().into_iter().flatten();
        targets.map(|it| {
            (
                panel["title"].to_string(),
                it["expr"].as_str().unwrap().to_owned(),
            )
        })
    });
    targets.collect()
}

/// Every label that each metric has.
fn known() -> BTreeMap<String, BTreeSet<String>> {
    let own = documented().into_iter();
    let others = OF_OTHERS.iter().map(|(name, labels)| {
        let labels = labels.iter().map(|label| (*label).to_owned());
        ((*name).to_owned(), labels.collect())
    });
    let mut known: BTreeMap<String, BTreeSet<String>> = own.chain(others).collect();
    for labels in known.values_mut() {
        labels.extend(OF_THE_POD.map(str::to_owned));
    }
    known
}

/// What an expression asks for: metrics with labels by which they are selected, and by which they are grouped.
#[derive(Default)]
struct Asked {
    metrics: Vec<String>,
    labels: Vec<(String, String)>,
}

impl Asked {
    fn of(expr: &Expr) -> Self {
        let mut asked = Self::default();
        walk_expr(&mut asked, expr).unwrap();
        asked
    }

    fn select(&mut self, selector: &VectorSelector) {
        let name = selector.name.clone().unwrap_or_default();
        for matcher in &selector.matchers.matchers {
            self.labels.push((name.clone(), matcher.name.clone()));
        }
        self.metrics.push(name);
    }
}

impl ExprVisitor for Asked {
    type Error = String;

    fn pre_visit(&mut self, expr: &Expr) -> Result<bool, String> {
        match expr {
            Expr::Aggregate(aggregate) => {
                let within = Self::of(&aggregate.expr).metrics;
                let by = aggregate.modifier.as_ref().map(|by| &by.labels().labels);
                for label in by.into_iter().flatten() {
                    let each = within.iter().map(|name| (name.clone(), label.clone()));
                    self.labels.extend(each);
                }
            }
            Expr::VectorSelector(selector) => self.select(selector),
            Expr::MatrixSelector(matrix) => self.select(&matrix.vs),
            _ => {}
        }
        Ok(true)
    }
}

/// What is wrong with an expression.
fn wrong(expr: &str) -> Option<String> {
    let expr = match parser::parse(expr) {
        Ok(expr) => expr,
        Err(error) => return Some(error),
    };
    let known = known();
    let labels = |name: &str| {
        let histogram = PARTS.iter().find_map(|part| name.strip_suffix(part));
        known.get(name).or_else(|| known.get(histogram?))
    };
    let asked = Asked::of(&expr);
    let unknown = asked.metrics.iter().find(|name| labels(name).is_none());
    if let Some(name) = unknown {
        return Some(format!("there is no `{name}`"));
    }
    let mut unlabelled = asked.labels.iter().filter(|(name, label)| {
        let bucket = label == "le" && name.ends_with("_bucket");
        !bucket && !labels(name).is_some_and(|labels| labels.contains(label))
    });
    let (name, label) = unlabelled.next()?;
    Some(format!("`{name}` has no label `{label}`"))
}

#[test]
fn every_metric_and_label_that_an_alert_or_a_panel_asks_for_is_there() {
    let panels = panels();
    assert!(panels.len() > 20, "{}", panels.len());
    for (of, expr) in alerts().into_iter().chain(panels) {
        assert_eq!(wrong(&expr), None, "{of}: {expr}");
    }
}

#[test]
fn what_is_not_there_is_found() {
    for (expr, found) in [
        ("sum(trustpool_led)", "there is no `trustpool_led`"),
        (
            "sum by (zone) (trustpool_leader)",
            "`trustpool_leader` has no label `zone`",
        ),
        (
            "rate(trustpool_batch_hosts_bucket{pool=\"a\"}[5m])",
            "`trustpool_batch_hosts_bucket` has no label `pool`",
        ),
    ] {
        assert_eq!(wrong(expr).as_deref(), Some(found));
    }
    assert!(wrong("sum(trustpool_leader").is_some());
}

#[test]
fn every_metric_of_ours_is_on_the_dashboard() {
    let asked: String = panels().into_iter().map(|(_, expr)| expr + "\n").collect();
    for name in documented().keys() {
        assert!(asked.contains(name.as_str()), "{name}");
    }
}

#[test]
fn the_runbook_has_a_section_for_each_alert_and_each_alert_is_tried() {
    let text = file("docs/runbook.md");
    let sections = text
        .lines()
        .filter_map(|line| line.strip_prefix("## Trustpool"));
    let sections: BTreeSet<String> = sections.map(|name| format!("Trustpool{name}")).collect();
    let alerts: BTreeSet<String> = alerts().into_keys().collect();
    assert_eq!(sections, alerts);
    let tests = file("tests/chart/alerts/tests.yaml");
    for alert in alerts {
        let tried = format!("alertname: {alert}\n");
        assert!(tests.contains(&tried), "{alert} is not tried");
    }
}
