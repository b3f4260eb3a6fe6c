//! The arguments of `apply`.

use std::path::PathBuf;

use clap::Args;
use steward::policy::PolicyDigest;

use super::{AwsArgs, OutputArgs, PolicyArgs};

/// Arguments of `apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// A plan saved by `plan --out`. It is applied exactly, or not at all if the account has changed.
    /// Name its policy with --policy or --expect-policy.
    #[arg(value_name = "PLAN")]
    pub plan: Option<PathBuf>,
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Apply PLAN under the policy in it, if this is its digest: `validate` and `plan --out` print it.
    #[arg(long, value_name = "DIGEST", requires = "plan", conflicts_with = "policy")]
    pub expect_policy: Option<PolicyDigest>,
    /// Change nothing and exit with code 2 if something in the policy or in a tag has no effect.
    #[arg(long)]
    pub strict: bool,
    /// Apply without asking. Needed where there is no terminal, unless PLAN is given.
    #[arg(short, long)]
    pub yes: bool,
    #[command(flatten)]
    pub place: AwsArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}
