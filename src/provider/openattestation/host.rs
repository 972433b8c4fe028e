//! Which names may be sent: one that a server dislikes fails the whole batch.

use crate::provider::InvalidHost;

/// The longest name, in characters: that of a DNS name, and so of a Node.
///
/// 1.5 to 1.7 take 50. That is not checked: many clouds name their nodes longer, 2.x takes them,
/// and against 1.x halving the batch finds the one that is too long.
pub const LONGEST: usize = 253;

/// What 1.5 to 1.7 refuse (`# & + : " '`), and 2.x (`,`). No Node's name has any of them; IPv6
/// literals do, which 1.x cannot be asked about.
const REFUSED: &[char] = &['"', '#', '&', '\'', '+', ',', ':'];

/// Says whether every server from 1.5 on takes `host`, or may.
///
/// Names are compared exactly with what the service echoes, so only visible ASCII is sent: whatever
/// can look like something else, or come back normalized, stays here.
pub fn check(host: &str) -> Result<(), InvalidHost> {
    if host.is_empty() {
        return Err(InvalidHost::Empty);
    }
    let refused = |c: &char| !c.is_ascii_graphic() || REFUSED.contains(c);
    if let Some(character) = host.chars().find(refused) {
        return Err(InvalidHost::Character(character));
    }
    if host.len() > LONGEST {
        return Err(InvalidHost::TooLong(host.len()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_fail_a_batch_are_found_before_it_is_sent() {
        let node = "gke-production-europe-west4-pool-large-c7f1d2a9-x4kz.example.org";
        let longest = "n".repeat(LONGEST);
        let too_long = "n".repeat(LONGEST + 1);
        let table = [
            ("node1", Ok(())),
            ("NODE_1", Ok(())),
            ("192.168.1.201", Ok(())),
            (node, Ok(())),
            (&longest, Ok(())),
            (&too_long, Err(InvalidHost::TooLong(254))),
            ("", Err(InvalidHost::Empty)),
            ("fe80::1", Err(InvalidHost::Character(':'))),
            ("a#", Err(InvalidHost::Character('#'))),
            ("a&b", Err(InvalidHost::Character('&'))),
            ("a+b", Err(InvalidHost::Character('+'))),
            ("a\"b", Err(InvalidHost::Character('"'))),
            ("a'b", Err(InvalidHost::Character('\''))),
            ("a,b", Err(InvalidHost::Character(','))),
            ("a b", Err(InvalidHost::Character(' '))),
            (" a", Err(InvalidHost::Character(' '))),
            ("a\n", Err(InvalidHost::Character('\n'))),
            ("a\0", Err(InvalidHost::Character('\0'))),
            ("a\u{7f}", Err(InvalidHost::Character('\u{7f}'))),
            ("n\u{43e}de1", Err(InvalidHost::Character('\u{43e}'))),
            ("a\u{200b}", Err(InvalidHost::Character('\u{200b}'))),
        ];
        for (host, expected) in table {
            assert_eq!(check(host), expected, "{host:?}");
        }
    }
}
