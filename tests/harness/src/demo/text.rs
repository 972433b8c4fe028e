//! Command lines taken apart, tables cut short. Pure.

/// How many rows of a table are always shown.
const FIRST: usize = 3;

/// The words of a command line; single quotes keep spaces.
pub(super) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut is_quoted = false;
    for letter in line.chars() {
        match letter {
            '\'' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            ' ' if !is_quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

/// A table with its heading, its first rows and those that are worth a look; the others counted.
pub(super) fn brief(table: &str, is_worth: impl Fn(&str) -> bool) -> String {
    let mut lines = Vec::new();
    let mut hidden = 0;
    for (number, row) in table.lines().enumerate() {
        if number <= FIRST || is_worth(row) {
            lines.extend(more(hidden));
            hidden = 0;
            lines.push(row.to_owned());
        } else {
            hidden += 1;
        }
    }
    lines.extend(more(hidden));
    lines.join("\n")
}

/// A table without rows that repeat the one before.
pub(super) fn distinct(table: &str) -> String {
    let mut rows: Vec<&str> = table.lines().collect();
    rows.dedup();
    rows.join("\n")
}

/// Says that rows are left out, if any are.
fn more(hidden: usize) -> Option<String> {
    (hidden > 0).then(|| format!("… {hidden} more"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_word_keeps_its_spaces_and_may_be_empty() {
        let line = r#"patch node a -p '{"status": 1}' --as ''"#;

        let expected = ["patch", "node", "a", "-p", r#"{"status": 1}"#, "--as", ""];
        assert_eq!(words(line), expected);
    }

    #[test]
    fn rows_that_are_worth_no_look_are_counted_where_they_were() {
        let table = "NAME\na\nb\nc\nd\ne\nodd\nf";

        let short = brief(table, |row| row == "odd");

        assert_eq!(short, "NAME\na\nb\nc\n… 2 more\nodd\n… 1 more");
        assert_eq!(brief("NAME\na", |_| false), "NAME\na");
        assert_eq!(distinct("NAME\na\na\nb\na"), "NAME\na\nb\na");
    }
}
