//! The arguments of `permissions`.

use clap::{Args, ValueEnum};
use steward::model::Region;
use steward::policy::DEFAULT_PREFIX;

/// Arguments of `permissions`.
#[derive(Debug, Args)]
pub struct PermissionsArgs {
    /// Commands to allow. `plan` covers all read-only commands; `apply` includes `plan`.
    #[arg(value_name = "USE", value_enum, default_value = "plan")]
    pub uses: Vec<UseArg>,
    /// Allow the commands in this Region only.
    #[arg(long, value_parser = |text: &str| text.parse::<Region>())]
    pub region: Option<Region>,
    /// Prefix of image-steward's tag names (`tagging.prefix` in the policy).
    #[arg(long, value_name = "TEXT", default_value = DEFAULT_PREFIX)]
    pub prefix: String,
    /// Allow launch permissions to be restored
    ///
    /// Required for `restore --share-with`, and for `shared_images = "retire"` in `[safety]` or in
    /// a rule.
    #[arg(long)]
    pub shared_images: bool,
    /// Allow reading this SSM parameter; repeatable
    ///
    /// Launch templates can name an SSM parameter as their image. Specify the parameter by name, by
    /// a path such as `/golden/*`, or by ARN. AWS public parameters can always be read.
    #[arg(long = "image-parameter", value_name = "NAME", value_parser = parameter)]
    pub image_parameters: Vec<String>,
    /// Policy document only, or a CloudFormation or Terraform role with that policy
    ///
    /// The CloudFormation template is in YAML. A parameter specifies who can assume the role.
    #[arg(help_heading = "Output options", long, value_enum, default_value_t = PermissionsFormat::Json)]
    pub format: PermissionsFormat,
    /// Who can assume the role [default: principal]
    ///
    /// An AWS principal, GitHub Actions workflows, or GitLab.com pipelines. Applies to --format
    /// cloudformation and terraform.
    #[arg(help_heading = "Output options", long, value_name = "WHO", value_enum)]
    pub trust: Option<TrustArg>,
}

/// A set of commands that a policy allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum UseArg {
    Plan,
    Apply,
    Restore,
    /// Both `keep` and `unkeep`.
    Keep,
}

/// The output format of `permissions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PermissionsFormat {
    Json,
    #[value(name = "cloudformation")]
    CloudFormation,
    Terraform,
}

/// Who can assume the role.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum TrustArg {
    #[default]
    Principal,
    #[value(name = "github")]
    GitHub,
    #[value(name = "gitlab")]
    GitLab,
}

fn parameter(text: &str) -> Result<String, &'static str> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/_.-*?".contains(&byte);
    let is_name = !text.is_empty() && text.bytes().all(is_allowed);
    // IAM checks an ARN, and its errors are specific.
    let is_arn = text.starts_with("arn:") && text.contains(":parameter/");
    let expected = "expected a parameter name, a path such as /golden/*, or an ARN";
    (is_name || is_arn).then(|| text.to_owned()).ok_or(expected)
}
