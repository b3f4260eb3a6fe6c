//! The images and snapshots in launch template versions. `template_versions` reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use aws_sdk_ec2::types::{
    LaunchTemplateEbsBlockDevice, LaunchTemplateVersion, ResponseLaunchTemplateData,
};
use steward::cloud::CloudError;
use steward::model::TemplateVersions;

use super::api_call::ApiCall;
use super::error::bad_response;

/// A launch template as a launch source refers to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TemplateKey {
    Id(String),
    Name(String),
}

/// A template version as a launch source refers to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct VersionKey {
    pub(super) template: TemplateKey,
    /// A number, `$Latest` or `$Default`.
    pub(super) version: String,
}

/// The template versions that were read.
#[derive(Debug, Default)]
pub(super) struct Templates {
    by_id: BTreeMap<String, LaunchTemplateInfo>,
    ids: BTreeMap<String, String>,
    /// Versions that launch sources refer to, but that do not exist.
    gone: BTreeSet<VersionKey>,
}

/// One template, with the versions that were read.
#[derive(Debug, Default)]
struct LaunchTemplateInfo {
    name: Option<String>,
    default: Option<i64>,
    /// By number.
    versions: BTreeMap<i64, Version>,
}

/// The image and the snapshots of one version.
#[derive(Debug, Default)]
struct Version {
    /// Why they are not known.
    problem: Option<CloudError>,
    /// Its image field, which may be `resolve:ssm:…` or missing.
    image: Option<String>,
    /// The snapshot fields of its block device mappings, in any form.
    snapshots: Vec<String>,
}

/// A version that was read, with the texts for a reference.
#[derive(Debug, Clone)]
pub(super) struct VersionRead<'a> {
    /// The template's ID.
    pub(super) id: &'a str,
    /// The template's name.
    pub(super) name: Option<&'a str>,
    pub(super) number: i64,
    /// The number, with `$Default` and `$Latest` in parentheses where they apply.
    pub(super) label: String,
    pub(super) problem: Option<&'a CloudError>,
    pub(super) image: Option<&'a str>,
    pub(super) snapshots: &'a [String],
}

impl fmt::Display for VersionRead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "launch template {} version {}", self.id, self.label)
    }
}

/// The versions that launch sources refer to, by the template's ID.
#[derive(Debug, Default)]
pub(super) struct Named(BTreeMap<String, BTreeSet<i64>>);

impl Named {
    pub(super) fn has(&self, id: &str, number: i64) -> bool {
        self.0.get(id).is_some_and(|numbers| numbers.contains(&number))
    }
}

impl LaunchTemplateInfo {
    /// The version `$Latest`, which always has the highest number.
    fn latest(&self) -> Option<i64> {
        self.versions.last_key_value().map(|(number, _)| *number)
    }

    /// The number of a version, with `$Default` and `$Latest` in parentheses where they apply.
    fn label(&self, number: i64) -> String {
        let default = (self.default == Some(number)).then_some("$Default");
        let latest = (self.latest() == Some(number)).then_some("$Latest");
        let names: Vec<&str> = default.into_iter().chain(latest).collect();
        if names.is_empty() {
            number.to_string()
        } else {
            format!("{number} ({})", names.join(", "))
        }
    }
}

impl Templates {
    pub(super) fn add(&mut self, version: LaunchTemplateVersion) -> Result<(), CloudError> {
        let (Some(id), Some(number)) = (version.launch_template_id, version.version_number) else {
            let message =
                "the response contains a version without a template ID or a number".to_owned();
            return Err(bad_response(ApiCall::DescribeLaunchTemplateVersions, message));
        };
        let name = version.launch_template_name;
        if let Some(name) = &name {
            self.ids.insert(name.clone(), id.clone());
        }
        let lacks = |what: &str| {
            let message =
                format!("the response lacks {what} of version {number} of launch template {id}");
            bad_response(ApiCall::DescribeLaunchTemplateVersions, message)
        };
        // A version may have no image, but always has data.
        let nothing = ResponseLaunchTemplateData::builder().build();
        let data = version.launch_template_data.filter(|data| *data != nothing);
        let problem = data.is_none().then(|| lacks("the data"));
        let data = data.unwrap_or(nothing);
        let is_default = version.default_version;
        let is_default = is_default.ok_or_else(|| lacks("the default flag"))?;
        let devices = data.block_device_mappings.into_iter().flatten();
        let no_volume = LaunchTemplateEbsBlockDevice::builder().build();
        let snapshots =
            devices.filter_map(|device| match device.ebs.filter(|ebs| *ebs != no_volume) {
                Some(ebs) => ebs.snapshot_id,
                None if device.virtual_name.is_some() || device.no_device.is_some() => None,
                // An unknown kind of device, which may refer to a snapshot.
                None => Some(format!("device {}", device.device_name.unwrap_or_default())),
            });
        let snapshots = snapshots.collect();
        let template = self.by_id.entry(id).or_default();
        if is_default {
            template.default = Some(number);
        }
        template.name = name.or(template.name.take());
        let image = data.image_id;
        template.versions.insert(number, Version { problem, image, snapshots });
        Ok(())
    }

    /// The template's ID, the version's number and the version. `None` if it was not read.
    fn find(&self, key: &VersionKey) -> Option<(&str, i64, &Version)> {
        let id = match &key.template {
            TemplateKey::Id(id) => id,
            TemplateKey::Name(name) => self.ids.get(name)?,
        };
        let (id, template) = self.by_id.get_key_value(id)?;
        let number = match key.version.as_str() {
            "$Latest" => template.latest()?,
            "$Default" => template.default?,
            number => number.parse().ok()?,
        };
        Some((id, number, template.versions.get(&number)?))
    }

    pub(super) fn has(&self, key: &VersionKey) -> bool {
        self.find(key).is_some()
    }

    /// Records that this version does not exist.
    pub(super) fn add_gone(&mut self, key: VersionKey) {
        self.gone.insert(key);
    }

    /// The version, `None` if it does not exist.
    ///
    /// # Errors
    /// The version was neither read nor reported as missing, so its image is unknown.
    pub(super) fn version(&self, key: &VersionKey) -> Result<Option<VersionRead<'_>>, CloudError> {
        if let Some((id, number, version)) = self.find(key) {
            let template = self.by_id.get(id);
            let label = template.map(|template| template.label(number));
            let label = label.unwrap_or_else(|| number.to_string());
            let name = template.and_then(|template| template.name.as_deref());
            return Ok(Some(version.read(id, name, number, label)));
        }
        if self.gone.contains(key) {
            return Ok(None);
        }
        let (TemplateKey::Id(template) | TemplateKey::Name(template)) = &key.template;
        let message =
            format!("the responses lack version {} of launch template {template}", key.version);
        Err(bad_response(ApiCall::DescribeLaunchTemplateVersions, message))
    }

    /// The versions that were read and that `keys` refer to.
    pub(super) fn named<'a>(&self, keys: impl IntoIterator<Item = &'a VersionKey>) -> Named {
        let mut named = Named::default();
        for (id, number, _) in keys.into_iter().filter_map(|key| self.find(key)) {
            named.0.entry(id.to_owned()).or_default().insert(number);
        }
        named
    }

    /// Drops the versions that are outside `versions`, not the default, and not in `pinned`.
    pub(super) fn keep(&mut self, versions: TemplateVersions, pinned: &Named) {
        let TemplateVersions::Newest(newest) = versions else { return };
        for (id, template) in &mut self.by_id {
            let older = newest.get() as usize - 1;
            let Some(oldest) = template.versions.keys().rev().nth(older).copied() else { continue };
            let default = template.default;
            template.versions.retain(|number, _| {
                *number >= oldest || Some(*number) == default || pinned.has(id, *number)
            });
        }
    }

    /// All versions that were read, sorted by template ID and version number.
    pub(super) fn iter(&self) -> impl Iterator<Item = VersionRead<'_>> {
        self.by_id.iter().flat_map(|(id, template)| {
            let name = template.name.as_deref();
            let versions = template.versions.iter();
            versions.map(move |(number, version)| {
                version.read(id, name, *number, template.label(*number))
            })
        })
    }
}

impl Version {
    fn read<'a>(
        &'a self,
        id: &'a str,
        name: Option<&'a str>,
        number: i64,
        label: String,
    ) -> VersionRead<'a> {
        let (image, snapshots) = (self.image.as_deref(), self.snapshots.as_slice());
        VersionRead { id, name, number, label, problem: self.problem.as_ref(), image, snapshots }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use aws_sdk_ec2::types::LaunchTemplateBlockDeviceMapping;

    use super::*;

    fn templates() -> Templates {
        let mut found = Templates::default();
        for (number, default) in [(2, true), (7, false)] {
            let image = format!("ami-{number}");
            let data = ResponseLaunchTemplateData::builder().image_id(image).build();
            let version = LaunchTemplateVersion::builder()
                .launch_template_id("lt-1")
                .launch_template_name("web")
                .version_number(number)
                .default_version(default)
                .launch_template_data(data);
            found.add(version.build()).unwrap();
        }
        found
    }

    #[test]
    fn versions_are_found_by_number_and_by_name() {
        let found = templates();
        let by_id = TemplateKey::Id("lt-1".into());
        let by_name = TemplateKey::Name("web".into());
        for template in [by_id, by_name] {
            for (version, image) in [
                ("$Latest", Some("ami-7")),
                ("$Default", Some("ami-2")),
                ("2", Some("ami-2")),
                ("3", None),
            ] {
                let key = VersionKey { template: template.clone(), version: version.into() };
                let version = found.version(&key).ok().flatten();
                assert_eq!(version.and_then(|one| one.image), image, "{key:?}");
            }
        }
    }

    #[test]
    fn labels_say_what_else_a_version_is_called() {
        let found = templates();
        let labels: Vec<String> = found.iter().map(|version| version.label).collect();
        assert_eq!(labels, ["2 ($Default)", "7 ($Latest)"]);
    }

    fn many(count: i64, default: i64) -> Templates {
        let mut found = Templates::default();
        for number in 1..=count {
            let version = LaunchTemplateVersion::builder()
                .launch_template_id("lt-1")
                .version_number(number)
                .launch_template_data(ResponseLaunchTemplateData::builder().key_name("k").build())
                .default_version(number == default);
            found.add(version.build()).unwrap();
        }
        found
    }

    fn pin(version: &str) -> VersionKey {
        VersionKey { template: TemplateKey::Id("lt-1".into()), version: version.into() }
    }

    #[test]
    fn the_newest_are_kept_with_the_default_and_the_pinned() {
        for (newest, pins, kept) in [
            (1, vec![], vec![2, 9]),
            (3, vec![pin("4"), pin("$Latest"), pin("99")], vec![2, 4, 7, 8, 9]),
            (8, vec![], vec![2, 3, 4, 5, 6, 7, 8, 9]),
            (100, vec![], vec![1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ] {
            let mut found = many(9, 2);
            let pinned = found.named(&pins);
            found.keep(TemplateVersions::Newest(NonZeroU32::new(newest).unwrap()), &pinned);
            let numbers: Vec<i64> = found.iter().map(|version| version.number).collect();
            assert_eq!(numbers, kept, "{newest}");
        }
        let mut found = many(9, 2);
        found.keep(TemplateVersions::All, &Named::default());
        assert_eq!(found.iter().count(), 9);
    }

    #[test]
    fn named_versions_are_found_by_what_they_are_called() {
        let found = many(5, 2);
        let named = found.named(&[pin("$Default"), pin("$Latest"), pin("3"), pin("9")]);
        let numbers: Vec<i64> = (1..=9).filter(|number| named.has("lt-1", *number)).collect();
        assert_eq!(numbers, [2, 3, 5]);
        assert!(!named.has("lt-2", 2));
    }

    #[test]
    fn snapshots_of_a_versions_own_devices_are_seen() {
        let device = |snapshot: &str| {
            let ebs = LaunchTemplateEbsBlockDevice::builder().snapshot_id(snapshot).build();
            LaunchTemplateBlockDeviceMapping::builder().ebs(ebs).build()
        };
        let data = ResponseLaunchTemplateData::builder()
            .block_device_mappings(device("snap-1"))
            .block_device_mappings(device("some text"))
            .block_device_mappings(
                LaunchTemplateBlockDeviceMapping::builder().no_device("").build(),
            )
            .block_device_mappings(
                LaunchTemplateBlockDeviceMapping::builder().device_name("/dev/xvda").build(),
            )
            .block_device_mappings(device("snap-2"))
            .build();
        let version = LaunchTemplateVersion::builder()
            .launch_template_id("lt-1")
            .version_number(1)
            .default_version(true)
            .launch_template_data(data);
        let mut found = Templates::default();
        found.add(version.build()).unwrap();
        let version = found.iter().next().unwrap();
        assert_eq!(version.image, None);
        assert_eq!(version.snapshots, ["snap-1", "some text", "device /dev/xvda", "snap-2"]);
    }

    #[test]
    fn a_version_without_data_is_not_one_without_an_image() {
        let lacking = LaunchTemplateVersion::builder().launch_template_id("lt-1").version_number(7);
        let mut found = Templates::default();
        found.add(lacking.default_version(true).build()).unwrap();
        let version = found.iter().next().unwrap();
        let expected = "the response lacks the data of version 7 of launch template lt-1";
        assert_eq!(version.problem.unwrap().message, expected);
        let data = ResponseLaunchTemplateData::builder().key_name("k").build();
        let lacking = LaunchTemplateVersion::builder().launch_template_id("lt-1").version_number(7);
        let error = Templates::default().add(lacking.launch_template_data(data).build());
        assert!(error.unwrap_err().message.contains("lacks the default flag"));
    }

    #[test]
    fn a_version_that_was_neither_read_nor_seen_to_be_gone_is_unknown() {
        let mut found = many(5, 2);
        assert!(found.version(&pin("3")).unwrap().is_some());
        let error = found.version(&pin("9")).unwrap_err();
        assert_eq!(error.message, "the responses lack version 9 of launch template lt-1");
        found.add_gone(pin("9"));
        assert!(found.version(&pin("9")).unwrap().is_none());
    }
}
