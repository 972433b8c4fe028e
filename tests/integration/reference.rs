//! The reference is what the program says of itself: every flag, every name of ours, every reason of an Event.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Arg, Command, CommandFactory as _};
use trustpool::cli::Cli;
use trustpool::domain::Refusal;

use kept::kept;

#[path = "../chart/kept.rs"]
pub mod kept;

const HEAD: &str = "# Flags\n\nWritten from the program: UPDATE=1 cargo test --test integration reference. `trustpool COMMAND --help` says the same. \
Each flag can be given as the environment variable beside it.\n";

pub fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(file(path)).unwrap()
}

/// One line, fit for a table.
pub fn line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace('|', "\\|")
}

fn row(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    let takes = argument.get_action().takes_values();
    let value = match names {
        [name, ..] if takes => format!(" {name}"),
        _ => String::new(),
    };
    let name = match argument.get_long() {
        Some(long) => format!("--{long}{value}"),
        None => value.trim().to_owned(),
    };
    let defaults = argument.get_default_values().iter();
    let defaults: Vec<String> = defaults
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    let environment = argument
        .get_env()
        .map(|name| format!("`{}`", name.to_string_lossy()));
    let help = argument.get_long_help().or_else(|| argument.get_help());
    let help = line(&help.map(ToString::to_string).unwrap_or_default());
    let defaults = if takes {
        defaults.join(", ")
    } else {
        String::new()
    };
    let environment = environment.unwrap_or_default();
    format!("| `{name}` | {defaults} | {environment} | {help} |")
}

fn describe(command: &Command, path: &str, text: &mut String) {
    let about = command
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default();
    writeln!(text, "\n## {path}\n\n{}", line(&about)).unwrap();
    let mut arguments = command
        .get_arguments()
        .filter(|it| !it.is_hide_set() && !["help", "version"].contains(&it.get_id().as_str()))
        .peekable();
    if arguments.peek().is_some() {
        text.push_str("\n| flag | default | environment | |\n|---|---|---|---|\n");
    }
    for argument in arguments {
        writeln!(text, "{}", row(argument)).unwrap();
    }
    for command in command
        .get_subcommands()
        .filter(|it| it.get_name() != "help")
    {
        describe(command, &format!("{path} {}", command.get_name()), text);
    }
}

#[test]
fn every_flag_is_in_the_reference() {
    let mut text = HEAD.to_owned();
    for command in Cli::command().get_subcommands() {
        describe(
            command,
            &format!("trustpool {}", command.get_name()),
            &mut text,
        );
    }
    kept(&file("docs/reference/flags.md"), &text);
}

#[test]
fn every_name_of_ours_is_in_the_reference() {
    let (reference, keys) = (read("docs/reference.md"), read("src/api/keys.rs"));
    let lines = keys.lines().filter(|line| line.starts_with("pub const"));
    let names: Vec<&str> = lines.filter_map(|line| line.split('"').nth(1)).collect();
    assert!(names.len() > 15, "{names:?}");
    for name in names {
        assert!(
            reference.contains(&format!("`{name}")) || reference.contains(&format!(": {name}`")),
            "`{name}` is not there"
        );
    }
}

/// Reasons of Events that are no reason of a verdict, as they are written in the code.
fn written() -> BTreeSet<String> {
    let text = read("src/controller/events.rs");
    let starts = ["warning(", "told("];
    let calls = starts.iter().flat_map(|start| text.split(start).skip(1));
    let first = calls.filter_map(|call| call.trim_start().strip_prefix('"')?.split('"').next());
    first.map(str::to_owned).collect()
}

#[test]
fn every_reason_is_in_the_reference() {
    let reference = read("docs/reference.md");
    let written = written();
    assert!(written.len() >= 7, "{written:?}");
    let (_, events) = reference.split_once("\n## Events\n").unwrap();
    let (events, _) = events.split_once("\n## ").unwrap();
    for reason in written {
        assert!(events.contains(&format!("`{reason}`")), "Event {reason}");
    }
    // Verdicts, their reasons and outcomes of answers, each as it is spelt.
    let verdicts = read("src/domain/verdict.rs");
    let words = verdicts.split("=> \"").skip(1);
    let words: Vec<&str> = words
        .filter_map(|rest| rest.split('"').next())
        .filter(|word| !word.contains(' '))
        .collect();
    assert!(words.len() > 25, "{words:?}");
    for word in words {
        assert!(reference.contains(&format!("`{word}`")), "{word}");
    }
    for refusal in Refusal::ALL {
        assert!(
            reference.contains(&format!("`{}`", refusal.label())),
            "{refusal:?}"
        );
    }
}

/// Every link of a document to another file of the project, or to a section.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://"))
}

/// A heading as GitHub names it in a link.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
    let text: String = heading.to_lowercase().chars().filter(kept).collect();
    text.trim().replace(' ', "-")
}

#[test]
fn every_link_of_the_documents_leads_somewhere() {
    let folders = ["", "docs", "docs/reference"];
    let mut seen = 0;
    for folder in folders {
        for entry in fs::read_dir(file(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "md") {
                continue;
            }
            for link in links(&fs::read_to_string(&path).unwrap()) {
                seen += 1;
                let (to, section) = link.split_once('#').unwrap_or((link, ""));
                let to = if to.is_empty() {
                    path.clone()
                } else {
                    path.with_file_name("").join(to)
                };
                assert!(to.exists(), "{}: {link}", path.display());
                if section.is_empty() {
                    continue;
                }
                let text = fs::read_to_string(&to).unwrap();
                let headings = text.lines().filter(|line| line.starts_with('#'));
                let mut anchors = headings.map(|line| anchor(line.trim_start_matches('#')));
                assert!(
                    anchors.any(|it| it == section),
                    "{}: {link}",
                    path.display()
                );
            }
        }
    }
    assert!(seen > 20, "{seen}");
}
