//! Azure Resource Manager IDs in one canonical spelling, and the numbers of image versions.
//!
//! IDs are not case-sensitive, and services return them in different case. A reference in another
//! case than the image's own ID must still keep the image, so all IDs are case-folded when they are
//! parsed.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
pub use steward::model::fold_case;

/// The resource type of a managed image.
pub const MANAGED_IMAGE: &str = "microsoft.compute/images";
/// The resource type of a gallery.
pub const GALLERY: &str = "microsoft.compute/galleries";
/// The resource type of an image definition.
pub const DEFINITION: &str = "microsoft.compute/galleries/images";
/// The resource type of a version of an image definition.
pub const VERSION: &str = "microsoft.compute/galleries/images/versions";

/// The maximum length of an ID in characters.
pub const MAX_ARM_ID: usize = 2_048;

/// Characters that change the meaning of a URL path, or that an HTTP client rewrites.
const NOT_IN_A_SEGMENT: &str = "?#%\\";

/// The text is not the ID of a subscription, a resource group, or a resource in them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an Azure resource ID: {problem}")]
pub struct ParseArmIdError {
    text: String,
    problem: &'static str,
}

/// The ID of a subscription, a resource group or a resource, in canonical spelling.
///
/// Two IDs are equal if they differ only in case. See [`fold_case`] for the comparison.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ArmId {
    text: Arc<str>,
    /// See [`ArmId::was_ascii`].
    ascii: bool,
    /// Where the namespace of the resource begins in the text. `None` for a subscription and for a
    /// resource group.
    namespace: Option<usize>,
}

/// Whether `text` has the form of a subscription ID: hexadecimal numbers of 8, 4, 4, 4 and 12 digits.
pub fn is_subscription_id(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && parts.iter().all(|part| part.bytes().all(|b| b.is_ascii_hexdigit()))
}

impl ArmId {
    /// Parses an ID: `/subscriptions/{id}`, optionally with `/resourceGroups/{name}`, and optionally
    /// with a resource, `/providers/{namespace}/{type}/{name}` and any number of further
    /// `/{type}/{name}`. A resource can be followed by an extension resource, for example a lock.
    ///
    /// # Errors
    /// The text is not such an ID, is longer than [`MAX_ARM_ID`], or contains a segment that a URL
    /// cannot contain literally.
    pub fn parse(text: &str) -> Result<Self, ParseArmIdError> {
        let found = if text.chars().count() > MAX_ARM_ID {
            Err("it is longer than 2,048 characters")
        } else {
            Self::from_folded(&fold_case(text), text.is_ascii())
        };
        // An error message is one line, and not the place for a long text.
        let shown = || text.chars().take(300).flat_map(char::escape_debug).collect();
        found.map_err(|problem| ParseArmIdError { text: shown(), problem })
    }

    fn from_folded(text: &str, ascii: bool) -> Result<Self, &'static str> {
        let namespace = check(text)?;
        Ok(Self { text: text.into(), ascii, namespace })
    }

    /// The ID in canonical spelling.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the parsed text consisted of ASCII characters only.
    ///
    /// Azure does not document its comparison of other characters. The canonical spelling of such an ID
    /// may therefore be the ID of another resource, so such a resource must not be changed.
    pub fn was_ascii(&self) -> bool {
        self.ascii
    }

    fn segments(&self) -> impl Iterator<Item = &str> {
        self.text.split('/').skip(1)
    }

    /// The ID of the subscription, in lower case.
    pub fn subscription(&self) -> &str {
        self.segments().nth(1).unwrap_or_default()
    }

    /// The name of the resource group. `None` for a subscription, and for a resource that is
    /// directly in a subscription.
    pub fn resource_group(&self) -> Option<&str> {
        let mut segments = self.segments().skip(2);
        (segments.next() == Some("resourcegroups")).then(|| segments.next()).flatten()
    }

    /// The namespace, the types and the names of the resource, without those of the resource that it
    /// extends.
    fn own_segments(&self) -> Option<&str> {
        self.text.get(self.namespace?..)
    }

    /// The namespace of the resource's provider, for example `microsoft.compute`. `None` for a
    /// subscription and for a resource group.
    pub fn provider(&self) -> Option<&str> {
        self.own_segments().and_then(|own| own.split('/').next())
    }

    /// The types and names of the resource below its provider, from the outermost, for example
    /// `("galleries", "web")`, `("images", "linux")`, `("versions", "1.0.0")`.
    pub fn types_and_names(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut segments = self.own_segments().into_iter().flat_map(|own| own.split('/')).skip(1);
        std::iter::from_fn(move || Some((segments.next()?, segments.next()?)))
    }

    /// The resource type, for example `microsoft.compute/galleries/images/versions`.
    pub fn resource_type(&self) -> String {
        let Some(provider) = self.provider() else {
            let of_group = self.resource_group().is_some();
            let own = if of_group { "resourcegroups" } else { "subscriptions" };
            return format!("microsoft.resources/{own}");
        };
        self.types_and_names().fold(provider.to_owned(), |found, (one, _)| format!("{found}/{one}"))
    }

    /// The name of the resource, of the resource group, or of the subscription.
    pub fn name(&self) -> &str {
        self.text.rsplit('/').next().unwrap_or_default()
    }

    /// The resource, resource group or subscription that contains this one, or that this one extends.
    /// `None` for a subscription.
    pub fn parent(&self) -> Option<Self> {
        let own = self.types_and_names().count();
        let removed = if own == 1 { 4 } else { 2 };
        let end = self.text.rmatch_indices('/').nth(removed - 1)?.0;
        Self::from_folded(self.text.get(..end)?, self.ascii).ok()
    }

    /// The resource of type `child` with `name` that this one contains.
    ///
    /// # Errors
    /// The name is not valid in an ID.
    pub fn child(&self, child: &str, name: &str) -> Result<Self, ParseArmIdError> {
        let found = Self::parse(&format!("{}/{child}/{name}", self.text))?;
        Ok(Self { ascii: self.ascii && found.ascii, ..found })
    }

    /// Whether the resource is `scope` or is below it: a lock on `scope` applies to the resource.
    pub fn is_within(&self, scope: &Self) -> bool {
        self.text
            .strip_prefix(&*scope.text)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The kind of image that the ID names, if it names one.
    pub fn image_kind(&self) -> Option<ImageIdKind> {
        match self.resource_type().as_str() {
            MANAGED_IMAGE => Some(ImageIdKind::ManagedImage),
            DEFINITION => Some(ImageIdKind::Definition),
            VERSION => Some(ImageIdKind::Version),
            _ => None,
        }
    }

    /// The ID of the version's definition, or this ID if it names a definition.
    pub fn definition(&self) -> Option<Self> {
        match self.image_kind()? {
            ImageIdKind::ManagedImage => None,
            ImageIdKind::Definition => Some(self.clone()),
            ImageIdKind::Version => self.parent(),
        }
    }
}

/// The kinds of ID that a resource which starts from an image may refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ImageIdKind {
    /// A managed image.
    ManagedImage,
    /// An image definition: the latest of its versions.
    Definition,
    /// A version of an image definition.
    Version,
}

/// Checks a case-folded ID. Returns where the last namespace begins.
fn check(text: &str) -> Result<Option<usize>, &'static str> {
    let rest = text.strip_prefix('/').ok_or("expected it to begin with /subscriptions/")?;
    let segments: Vec<&str> = rest.split('/').collect();
    if segments.iter().any(|one| one.is_empty()) {
        return Err("it has an empty segment");
    }
    if segments.iter().any(|one| matches!(*one, "." | "..")) {
        return Err("it has a segment that consists of dots");
    }
    let is_wrong = |one: char| one.is_control() || NOT_IN_A_SEGMENT.contains(one);
    if text.contains(is_wrong) {
        return Err("it has a control character, or one of `?`, `#`, `%` and `\\`");
    }
    let ["subscriptions", subscription, rest @ ..] = segments.as_slice() else {
        return Err("expected it to begin with /subscriptions/");
    };
    if !is_subscription_id(subscription) {
        return Err("its subscription is not a GUID");
    }
    let mut rest = match rest {
        ["resourcegroups", _, rest @ ..] => rest,
        ["resourcegroups"] => return Err("its resource group has no name"),
        rest => rest,
    };
    let mut found = None;
    // Names can be `providers` too. Types cannot.
    while !rest.is_empty() {
        let ["providers", own @ ..] = rest else {
            return Err("expected /providers/ and a namespace");
        };
        let after: usize = own.iter().map(|segment| segment.len() + 1).sum();
        found = Some(text.len() + 1 - after);
        let [_, own @ ..] = own else {
            return Err("expected /providers/ and a namespace");
        };
        let length = own.iter().step_by(2).take_while(|one| **one != "providers").count() * 2;
        match own.split_at_checked(length) {
            None => return Err("its last type has no name"),
            Some(([], _)) => return Err("expected a type and a name after the namespace"),
            Some((_, extension)) => rest = extension,
        }
    }
    Ok(found)
}

impl PartialEq for ArmId {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for ArmId {}

impl PartialOrd for ArmId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ArmId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl Hash for ArmId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Display for ArmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl FromStr for ArmId {
    type Err = ParseArmIdError;

    fn from_str(text: &str) -> Result<Self, ParseArmIdError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for ArmId {
    type Error = ParseArmIdError;

    fn try_from(text: String) -> Result<Self, ParseArmIdError> {
        Self::parse(&text)
    }
}

impl From<ArmId> for String {
    fn from(id: ArmId) -> Self {
        id.as_str().to_owned()
    }
}

/// The text is not the number of an image version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a version number: expected three numbers such as 1.20.3, without leading zeros"
)]
pub struct ParseVersionNumberError(String);

/// The number of an image version, `Major.Minor.Patch`. Numbers are ordered numerically, as Azure
/// orders them to find the latest version: `1.10.0` is higher than `1.9.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionNumber {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
    /// The third number.
    pub patch: u32,
}

impl FromStr for VersionNumber {
    type Err = ParseVersionNumberError;

    fn from_str(text: &str) -> Result<Self, ParseVersionNumberError> {
        // Two names with one number would be two versions that are the highest.
        let part = |part: &str| {
            let is_plain = part.bytes().all(|b| b.is_ascii_digit());
            let is_padded = part.len() > 1 && part.starts_with('0');
            (is_plain && !is_padded).then(|| part.parse().ok()).flatten()
        };
        let parts: Option<Vec<u32>> = text.split('.').map(part).collect();
        match parts.as_deref() {
            Some(&[major, minor, patch]) => Ok(Self { major, minor, patch }),
            _ => Err(ParseVersionNumberError(text.chars().take(100).collect())),
        }
    }
}

impl fmt::Display for VersionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}
