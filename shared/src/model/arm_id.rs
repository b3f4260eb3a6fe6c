//! Resource IDs of Azure Resource Manager (ARM).
//!
//! ARM compares them without regard to case, and its services report the same resource in different
//! spellings. An ID is therefore put into one canonical spelling when it enters the program: a
//! reference in another spelling would otherwise not be found, and an image in use would be removed.

/// The maximum length of an ID in characters. ARM documents no limit; the limits of the names in an
/// ID add up to less.
const MAX_LENGTH: usize = 1024;

/// The canonical spelling of an ARM ID: every character in lower case. `None` if `text` is not the
/// ID of a resource in a resource group.
pub(crate) fn canonical(text: &str) -> Option<String> {
    let is_plain =
        |one: char| !one.is_control() && !one.is_whitespace() && !"?#%\\\"'<>&|;`$*".contains(one);
    if !text.starts_with('/') || text.chars().count() > MAX_LENGTH || !text.chars().all(is_plain) {
        return None;
    }
    let id = fold_case(text);
    let segments: Vec<&str> = id.split('/').skip(1).collect();
    let is_name = |segment: &&str| !segment.is_empty() && *segment != "." && *segment != "..";
    match segments[..] {
        ["subscriptions", subscription, "resourcegroups", _, "providers", _, ref pairs @ ..] => {
            let is_complete = !pairs.is_empty() && pairs.len() % 2 == 0;
            (is_uuid(subscription) && is_complete && segments.iter().all(is_name)).then_some(id)
        }
        _ => None,
    }
}

/// The type of the resource with this canonical ID, for example
/// `microsoft.compute/galleries/images/versions`. Empty if the ID has another form.
pub(crate) fn resource_type(id: &str) -> String {
    let mut segments = id.split('/').skip(6);
    let mut text = segments.next().unwrap_or_default().to_owned();
    for kind in segments.step_by(2) {
        text.push('/');
        text.push_str(kind);
    }
    text
}

/// The names in this canonical ID that follow the provider, from the outermost resource to the
/// innermost.
pub(crate) fn names(id: &str) -> impl Iterator<Item = &str> {
    id.split('/').skip(8).step_by(2)
}

/// The names that identify the resource with this canonical ID in its subscription:
/// `gallery/definition/1.2.3`, because a subscription has one gallery of a name, and for all other
/// resources `group/name`, or `group/scale-set/0` for an instance.
pub(crate) fn short(id: &str) -> String {
    let is_in_gallery = resource_type(id).starts_with("microsoft.compute/galleries");
    let group = id.split('/').nth(4).filter(|_| !is_in_gallery);
    group.into_iter().chain(names(id)).collect::<Vec<_>>().join("/")
}

/// Whether `text` is a UUID in lower case, such as the canonical ID of a subscription or a tenant.
pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// Case-folds `text` per character: to lower case, to upper case, and to lower case again.
///
/// The names of resource groups may contain characters outside ASCII. Azure does not document how it
/// compares them. This comparison treats more texts as equal than a comparison of lower-case texts:
/// `ß` equals `ss`.
pub fn fold_case(text: &str) -> String {
    // The first conversion is for `ẞ`, whose lower case is `ß`, whose upper case is `SS`.
    let lower = text.chars().flat_map(char::to_lowercase);
    lower.flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: &str = "/subscriptions/0f0e0d0c-1234-5678-9abc-def012345678/resourceGroups/Golden/providers/Microsoft.Compute/images/Web-1";

    #[test]
    fn one_resource_has_one_spelling() {
        let lower = canonical(IMAGE).unwrap();
        assert_eq!(canonical(&IMAGE.to_uppercase()), Some(lower.clone()));
        assert_eq!(canonical(&lower), Some(lower.clone()));
        assert_eq!(resource_type(&lower), "microsoft.compute/images");
        assert_eq!(names(&lower).collect::<Vec<_>>(), ["web-1"]);
        assert_eq!(short(&lower), "golden/web-1");
        let (group, _) = lower.split_once("/images/").unwrap();
        let version = format!("{group}/galleries/shared/images/web/versions/1.2.3");
        assert_eq!(short(&version), "shared/web/1.2.3");
        let instance = format!("{group}/virtualmachinescalesets/web/virtualmachines/0");
        assert_eq!(short(&instance), "golden/web/0");
        assert_eq!(fold_case("ΣΑΣ"), fold_case("σας"));
        assert_eq!(fold_case("ſ"), fold_case("S"));
    }

    #[test]
    fn other_texts_are_rejected() {
        let rest = IMAGE.strip_prefix('/').unwrap();
        for bad in [
            "",
            "/",
            rest,
            &format!("{IMAGE}/"),
            &format!("{IMAGE}/versions"),
            &format!("{IMAGE} "),
            &format!("{IMAGE}?api-version=1"),
            &format!("{IMAGE}%2f"),
            &IMAGE.replace("Golden", ".."),
            &IMAGE.replace("Golden", ""),
            &IMAGE.replace("0f0e0d0c-", "0f0e0d0c"),
            &IMAGE.replace("0f0e0d0c", "xf0e0d0c"),
            &IMAGE.replace("Golden", &"g".repeat(1000)),
            "/subscriptions/0f0e0d0c-1234-5678-9abc-def012345678",
        ] {
            assert_eq!(canonical(bad), None, "{bad}");
        }
    }
}
