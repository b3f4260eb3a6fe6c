//! Short forms of the long IDs of Azure, for files that people read.

use steward::model::ImageId;

/// The subscription of all expanded IDs.
pub const SUBSCRIPTION: &str = "0f0e0d0c-1234-5678-9abc-def012345678";

/// The ID of a resource in [`SUBSCRIPTION`], in its canonical spelling: `gallery/definition/1.2.3` is
/// a version, `gallery/definition` a definition, `name` a managed image, and `type/name` a resource
/// of a known type.
pub fn arm(short: &str) -> String {
    const TYPES: [&str; 4] = ["snapshots", "disks", "virtualMachines", "virtualMachineScaleSets"];
    let rest = match short.split('/').collect::<Vec<_>>()[..] {
        [name] => format!("images/{name}"),
        [kind, name] if TYPES.contains(&kind) => format!("{kind}/{name}"),
        [gallery, definition] => format!("galleries/{gallery}/images/{definition}"),
        [gallery, definition, version] => {
            format!("galleries/{gallery}/images/{definition}/versions/{version}")
        }
        _ => panic!("{short} is not a short ID"),
    };
    format!(
        "/subscriptions/{SUBSCRIPTION}/resourcegroups/golden/providers/microsoft.compute/{rest}"
    )
    .to_lowercase()
}

/// Expands the short IDs in `text`: `id(SHORT)` is the ID, `ID(SHORT)` the same ID in upper case,
/// and `tag(SHORT)` the text for the image in state tags.
pub fn expanded(text: &str) -> String {
    let in_tags = |short: &str| arm(short).parse::<ImageId>().unwrap().in_tags().to_string();
    let text = replaced(text, "tag(", &in_tags);
    let text = replaced(&text, "ID(", &|short| arm(short).to_uppercase());
    replaced(&text, "id(", &arm)
}

fn replaced(text: &str, begin: &str, full: &dyn Fn(&str) -> String) -> String {
    let mut parts = text.split(begin);
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (short, rest) = part.split_once(')').unwrap();
        result.push_str(&full(short));
        result.push_str(rest);
    }
    result
}
