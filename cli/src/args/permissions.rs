//! The arguments of `permissions`.

use clap::{Args, ValueEnum};
use steward::model::Region;
use steward::policy::DEFAULT_PREFIX;

/// Arguments of `permissions`.
#[derive(Debug, Args)]
pub struct PermissionsArgs {
    /// Commands to allow. `plan` covers all commands that change nothing, and is part of `apply`.
    #[arg(value_name = "USE", value_enum, default_value = "plan")]
    pub uses: Vec<UseArg>,
    /// Allow it in this Region only.
    #[arg(long, value_parser = |text: &str| text.parse::<Region>())]
    pub region: Option<Region>,
    /// What the names of image-steward's tags begin with: `tagging.prefix` of the policy.
    #[arg(long, value_name = "TEXT", default_value = DEFAULT_PREFIX)]
    pub prefix: String,
    /// Allow launch permissions to be restored: for `restore --share-with`, and for
    /// `shared_images = "retire"`, under `[safety]` or in a rule.
    #[arg(long)]
    pub shared_images: bool,
    /// Allow this SSM parameter to be read, which launch templates name as their image: a name, a
    /// path such as `/golden/*`, or an ARN. May be repeated. AWS's public parameters can always be read.
    #[arg(long = "image-parameter", value_name = "NAME", value_parser = parameter)]
    pub image_parameters: Vec<String>,
    /// The policy document alone, or a role with it: a template of CloudFormation, in YAML, or a file
    /// for Terraform. Who may assume the role is a parameter.
    #[arg(help_heading = "Output", long, value_enum, default_value_t = PermissionsFormat::Json)]
    pub format: PermissionsFormat,
    /// Who may assume the role: an AWS principal, workflows of GitHub Actions, or pipelines of
    /// GitLab.com. For --format cloudformation and terraform [default: principal].
    #[arg(help_heading = "Output", long, value_name = "WHO", value_enum)]
    pub trust: Option<TrustArg>,
}

/// What a person is to be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum UseArg {
    Plan,
    Apply,
    Restore,
}

/// How permissions are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PermissionsFormat {
    Json,
    #[value(name = "cloudformation")]
    CloudFormation,
    Terraform,
}

/// Who may assume a role.
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
    // An ARN is checked by IAM, which says what is wrong with it.
    let is_arn = text.starts_with("arn:") && text.contains(":parameter/");
    let expected = "expected the name of a parameter, a path such as /golden/*, or an ARN";
    (is_name || is_arn).then(|| text.to_owned()).ok_or(expected)
}
