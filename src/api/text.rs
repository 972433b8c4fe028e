//! What names in our objects may be made of.

/// The longest name of an object, and key in one (Kubernetes' own limit).
const LONGEST: usize = 253;

/// Says whether `text` is not empty and holds letters, digits and `also` alone.
pub(super) fn is_plain(text: &str, also: &str) -> bool {
    let sign = |sign: char| sign.is_ascii_alphanumeric() || also.contains(sign);
    !text.is_empty() && text.chars().all(sign)
}

/// Says whether `text` can be the name of a Secret, a ConfigMap or an object of ours.
pub(super) fn is_object_name(text: &str) -> bool {
    let edges = |edge| text.starts_with(edge) || text.ends_with(edge);
    let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    is_plain(text, "-.") && lower && !edges(['-', '.']) && text.len() <= LONGEST
}

/// Says whether `text` can be a key of a Secret or ConfigMap.
pub(super) fn is_data_key(text: &str) -> bool {
    is_plain(text, "-_.") && text.len() <= LONGEST
}
