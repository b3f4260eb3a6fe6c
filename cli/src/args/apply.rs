//! The arguments of `apply`.

use std::path::PathBuf;

use clap::Args;
use steward::policy::PolicyDigest;

use super::{AccountArgs, OutputArgs, PolicyArgs};

/// Arguments of `apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// Saved plan (from `plan --out`) to apply exactly
    ///
    /// If the account has changed since planning, nothing is applied. Specify the policy of the
    /// plan with --policy or --expect-policy.
    #[arg(value_name = "PLAN")]
    pub plan: Option<PathBuf>,
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Apply PLAN only if its policy has this digest
    ///
    /// `validate` and `plan --out` print the digest.
    #[arg(long, value_name = "DIGEST", requires = "plan", conflicts_with = "policy")]
    pub expect_policy: Option<PolicyDigest>,
    /// Exit with code 2, without changes, if part of the policy or a tag has no effect.
    #[arg(long)]
    pub strict: bool,
    /// Apply without confirmation; required without a terminal unless PLAN is given.
    #[arg(short, long)]
    pub yes: bool,
    #[command(flatten)]
    pub place: AccountArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}
