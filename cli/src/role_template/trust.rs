//! Who may assume a role, and how narrow that has to be.

/// Who may assume a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// A role, a user or an account of AWS.
    Principal,
    /// Workflows of GitHub Actions, by OpenID Connect.
    GitHub,
    /// Pipelines of GitLab.com, by OpenID Connect.
    GitLab,
}

/// A provider of OpenID Connect, and which of its tokens are accepted.
#[derive(Debug, Clone, Copy)]
pub struct OpenIdConnect {
    /// The host and path of the issuer, with which the keys of conditions begin.
    pub issuer: &'static str,
    /// The statement id of the trust policy.
    pub sid: &'static str,
    /// How the subject is compared. `StringLike` only where a branch may be `*`.
    pub operator: &'static str,
    /// What a whole subject has to match, in the syntax that Java and RE2 share.
    pub pattern: &'static str,
    /// The same for people, and an example.
    pub expected: &'static str,
}

/// The only audience that is accepted: tokens for other services are worth nothing here.
pub const AUDIENCE: &str = "sts.amazonaws.com";

/// What the ARN of a principal has to match. Without `*`, `?` and `$`: nothing that IAM expands.
pub const PRINCIPAL_PATTERN: &str =
    "^arn:aws[a-z-]*:iam::[0-9]{12}:(root|(role|user)/[A-Za-z0-9_+=,.@/-]+)$";
/// The same for people.
pub const PRINCIPAL_EXPECTED: &str = "Expected the ARN of a role or a user, such as \
     arn:aws:iam::123456789012:role/ci, or of an account, arn:aws:iam::123456789012:root";

impl Trust {
    /// Who that is, for people.
    pub fn who(self) -> &'static str {
        match self {
            Self::Principal => "the trusted principal",
            Self::GitHub => "GitHub Actions",
            Self::GitLab => "GitLab CI",
        }
    }

    /// The provider, if it is one of OpenID Connect. With permissions that change something, only
    /// subjects are accepted that somebody with the right to merge or approve decides about.
    pub fn open_id_connect(self, is_read_only: bool) -> Option<OpenIdConnect> {
        match self {
            Self::Principal => None,
            Self::GitHub => Some(github(is_read_only)),
            Self::GitLab => Some(gitlab(is_read_only)),
        }
    }
}

/// The owner and the repository may have their numbers: `acme@1234/images@5678`.
fn github(is_read_only: bool) -> OpenIdConnect {
    let (pattern, expected) = if is_read_only {
        (
            "^repo:[A-Za-z0-9_.@-]+/[A-Za-z0-9_.@-]+:(pull_request|(ref:refs/(heads|tags)/|environment:)[^*?$,]+)$",
            "Expected whole subjects of one repository without wildcards, such as \
             repo:acme/images:pull_request, repo:acme/images:ref:refs/heads/main or \
             repo:acme/images:environment:production",
        )
    } else {
        (
            "^repo:[A-Za-z0-9_.@-]+/[A-Za-z0-9_.@-]+:(ref:refs/heads/|environment:)[^*?$,]+$",
            "Expected whole subjects of one repository without wildcards and not of pull requests, \
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

/// GitLab has no subject for merge requests: their pipelines have that of the branch.
fn gitlab(is_read_only: bool) -> OpenIdConnect {
    let (operator, pattern, expected) = if is_read_only {
        (
            "StringLike",
            "^project_path:[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+:ref_type:(branch|tag):ref:([*]|[^*?$,]+)$",
            "Expected whole subjects of one project, in which only a whole branch may be a \
             wildcard, such as project_path:acme/images:ref_type:branch:ref:main or \
             project_path:acme/images:ref_type:branch:ref:*",
        )
    } else {
        (
            "StringEquals",
            "^project_path:[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+:ref_type:branch:ref:[^*?$,]+$",
            "Expected whole subjects of one project without wildcards, such as \
             project_path:acme/images:ref_type:branch:ref:main; the branch should be protected",
        )
    };
    OpenIdConnect { issuer: "gitlab.com", sid: "GitLabCI", operator, pattern, expected }
}
