//! What helm makes of the chart.

use std::path::{Path, PathBuf};

use serde_json::Value;
use trustpool_harness::helm::{chart, helm_command};

/// The namespace of a release, unless another one is said.
pub const NAMESPACE: &str = "trustpool-system";

/// A Kubernetes that has all there is.
pub const KUBERNETES: &str = "1.37.1";

/// One object that was rendered.
#[derive(Clone, Debug)]
pub struct Document {
    /// The template, such as `policies/pods.yaml`.
    pub template: String,
    /// Its text, comments and all.
    pub text: String,
    /// What that means.
    pub object: Value,
}

impl Document {
    /// A string somewhere in it; empty if there is none.
    pub fn say(&self, pointer: &str) -> &str {
        let value = self.object.pointer(pointer);
        value.and_then(Value::as_str).unwrap_or_default()
    }

    pub fn kind(&self) -> &str {
        self.say("/kind")
    }

    pub fn name(&self) -> &str {
        self.say("/metadata/name")
    }
}

/// A file of these tests.
pub fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/chart")
        .join(path)
}

/// What `helm template` prints with `arguments`, or why it refuses.
pub async fn template(arguments: &[&str]) -> Result<String, String> {
    let mut command = helm_command().await.unwrap();
    command.arg("template").arg("trustpool").arg(chart());
    command.args(["--namespace", NAMESPACE, "--kube-version", KUBERNETES]);
    let output = command.args(arguments).output().await.unwrap();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

/// Every object of a rendering, in its order.
pub fn documents(text: &str) -> Vec<Document> {
    let parts = text
        .split("\n---\n")
        .map(|part| part.trim_start_matches("---\n"));
    parts.filter_map(document).collect()
}

fn document(part: &str) -> Option<Document> {
    let (head, text) = part.trim_start().split_once('\n')?;
    let template = head.strip_prefix("# Source: trustpool/templates/")?;
    let object: Value = serde_saphyr::from_str(text).unwrap();
    object.is_object().then(|| Document {
        template: template.to_owned(),
        text: tidy(text),
        object,
    })
}

/// Without lines of blanks, which templates leave.
fn tidy(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| format!("{line}\n")).collect()
}

/// The objects that `arguments` render.
pub async fn rendered(arguments: &[&str]) -> Vec<Document> {
    documents(&template(arguments).await.unwrap())
}
