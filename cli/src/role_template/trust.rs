//! Who can assume a role, and how narrowly they must be specified.

/// Who can assume a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// An AWS role, user or account.
    Principal,
    /// GitHub Actions workflows, through OpenID Connect.
    GitHub,
    /// GitLab.com pipelines, through OpenID Connect.
    GitLab,
}

/// An OpenID Connect provider, and which of its tokens are accepted.
#[derive(Debug, Clone, Copy)]
pub struct OpenIdConnect {
    /// The host and path of the issuer, which prefix the condition keys.
    pub issuer: &'static str,
    /// The statement ID of the trust policy.
    pub sid: &'static str,
    /// The condition operator for the subject: `StringLike` only where a branch may be `*`.
    pub operator: &'static str,
    /// A regular expression for the complete subject, valid in both Java and RE2.
    pub pattern: &'static str,
    /// The error message for other subjects, with examples.
    pub expected: &'static str,
}

/// The only accepted audience, so that tokens for other services are rejected.
pub const AUDIENCE: &str = "sts.amazonaws.com";

/// A regular expression for the ARN of a principal. It allows no `*`, `?` or `$`, which IAM would
/// expand.
pub const PRINCIPAL_PATTERN: &str =
    "^arn:aws[a-z-]*:iam::[0-9]{12}:(root|(role|user)/[A-Za-z0-9_+=,.@/-]+)$";
/// The error message for other principals.
pub const PRINCIPAL_EXPECTED: &str = "Expected the ARN of a role or user, such as \
     arn:aws:iam::123456789012:role/ci, or of an account, arn:aws:iam::123456789012:root";

impl Trust {
    /// The trusted party, for the description of the role.
    pub fn who(self) -> &'static str {
        match self {
            Self::Principal => "the trusted principal",
            Self::GitHub => "GitHub Actions",
            Self::GitLab => "GitLab CI",
        }
    }

    /// The provider, if trust uses OpenID Connect. Unless the permissions are read-only, it accepts
    /// only subjects that someone with permission to merge or approve controls.
    pub fn open_id_connect(self, is_read_only: bool) -> Option<OpenIdConnect> {
        match self {
            Self::Principal => None,
            Self::GitHub => Some(github(is_read_only)),
            Self::GitLab => Some(gitlab(is_read_only)),
        }
    }
}

/// The owner and the repository can include their numeric IDs: `acme@1234/images@5678`.
fn github(is_read_only: bool) -> OpenIdConnect {
    let (pattern, expected) = if is_read_only {
        (
            "^repo:[A-Za-z0-9_.@-]+/[A-Za-z0-9_.@-]+:(pull_request|(ref:refs/(heads|tags)/|environment:)[^*?$,]+)$",
            "Expected complete subjects of one repository, without wildcards, such as \
             repo:acme/images:pull_request, repo:acme/images:ref:refs/heads/main or \
             repo:acme/images:environment:production",
        )
    } else {
        (
            "^repo:[A-Za-z0-9_.@-]+/[A-Za-z0-9_.@-]+:(ref:refs/heads/|environment:)[^*?$,]+$",
            "Expected complete subjects of one repository, without wildcards or pull requests, \
             such as repo:acme/images:environment:production or \
             repo:acme/images:ref:refs/heads/main",
        )
    };
    OpenIdConnect {
        issuer: "token.actions.githubusercontent.com",
        sid: "GitHubActions",
        operator: "StringEquals",
        pattern,
        expected,
    }
}

/// GitLab has no subject for merge requests: their pipelines use the subject of the branch.
fn gitlab(is_read_only: bool) -> OpenIdConnect {
    let (operator, pattern, expected) = if is_read_only {
        (
            "StringLike",
            "^project_path:[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+:ref_type:(branch|tag):ref:([*]|[^*?$,]+)$",
            "Expected complete subjects of one project, in which only the whole branch name can be a \
             wildcard, such as project_path:acme/images:ref_type:branch:ref:main or \
             project_path:acme/images:ref_type:branch:ref:*",
        )
    } else {
        (
            "StringEquals",
            "^project_path:[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+:ref_type:branch:ref:[^*?$,]+$",
            "Expected complete subjects of one project, without wildcards, such as \
             project_path:acme/images:ref_type:branch:ref:main; the branch should be protected",
        )
    };
    OpenIdConnect { issuer: "gitlab.com", sid: "GitLabCI", operator, pattern, expected }
}
