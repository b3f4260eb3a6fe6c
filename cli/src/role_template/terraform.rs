//! A role as a file of Terraform, formatted as `terraform fmt` does it.
//!
//! All names begin with that of the role, so that the file can be put beside others.

use steward_aws::{PolicyDocument, Statement};

use super::Role;
use super::trust::{AUDIENCE, OpenIdConnect, PRINCIPAL_EXPECTED, PRINCIPAL_PATTERN};

/// The file, in HCL.
pub fn terraform(role: &Role<'_>) -> String {
    let (name, id, description) = (role.name(), role.identifier(), role.description());
    let version = env!("CARGO_PKG_VERSION");
    let (variable, trust) = match role.trust.open_id_connect(role.policy.is_read_only()) {
        Some(provider) => (subjects(&id, &provider), federated(&id, &provider)),
        None => (principal(&id), assumed(&id)),
    };
    let policy = statements(role.policy);
    format!(
        r#"# Written by `image-steward permissions` {version}. Needs the provider hashicorp/aws.

{variable}
{trust}
data "aws_iam_policy_document" "{id}" {{
{policy}}}

resource "aws_iam_role" "{id}" {{
  name               = "{name}"
  description        = "{description}"
  assume_role_policy = data.aws_iam_policy_document.{id}_trust.json
}}

resource "aws_iam_role_policy" "{id}" {{
  name   = "image-steward"
  role   = aws_iam_role.{id}.id
  policy = data.aws_iam_policy_document.{id}.json
}}

output "{id}_role_arn" {{
  description = "The ARN of the role {name}"
  value       = aws_iam_role.{id}.arn
}}
"#
    )
}

fn principal(id: &str) -> String {
    let pattern = quoted(PRINCIPAL_PATTERN);
    let expected = quoted(&format!("{PRINCIPAL_EXPECTED}."));
    format!(
        r#"variable "{id}_trusted_principal" {{
  description = "ARN of the role, user or account that may assume the role"
  type        = string

  validation {{
    condition     = can(regex({pattern}, var.{id}_trusted_principal))
    error_message = {expected}
  }}
}}
"#
    )
}

fn assumed(id: &str) -> String {
    format!(
        r#"data "aws_iam_policy_document" "{id}_trust" {{
  statement {{
    sid     = "TrustedPrincipal"
    effect  = "Allow"
    actions = ["sts:AssumeRole"]

    principals {{
      type        = "AWS"
      identifiers = [var.{id}_trusted_principal]
    }}
  }}
}}
"#
    )
}

fn subjects(id: &str, provider: &OpenIdConnect) -> String {
    let (pattern, expected) =
        (quoted(provider.pattern), quoted(&format!("{}.", provider.expected)));
    format!(
        r#"variable "{id}_subjects" {{
  description = "Subjects (claim sub) of the OpenID Connect tokens that may assume the role"
  type        = list(string)

  validation {{
    condition     = length(var.{id}_subjects) > 0 && alltrue([for one in var.{id}_subjects : can(regex({pattern}, one))])
    error_message = {expected}
  }}
}}
"#
    )
}

fn federated(id: &str, provider: &OpenIdConnect) -> String {
    let OpenIdConnect { issuer, sid, operator, .. } = provider;
    format!(
        r#"data "aws_iam_openid_connect_provider" "{id}" {{
  url = "https://{issuer}"
}}

data "aws_iam_policy_document" "{id}_trust" {{
  statement {{
    sid     = "{sid}"
    effect  = "Allow"
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {{
      type        = "Federated"
      identifiers = [data.aws_iam_openid_connect_provider.{id}.arn]
    }}

    condition {{
      test     = "StringEquals"
      variable = "{issuer}:aud"
      values   = ["{AUDIENCE}"]
    }}

    condition {{
      test     = "{operator}"
      variable = "{issuer}:sub"
      values   = var.{id}_subjects
    }}
  }}
}}
"#
    )
}

/// The statements of a document, each as a block.
fn statements(policy: &PolicyDocument) -> String {
    let blocks: Vec<_> = policy.statement.iter().map(statement).collect();
    blocks.join("\n")
}

fn statement(statement: &Statement) -> String {
    let Statement { sid, effect, action, resource, condition } = statement;
    let actions = list(action.iter().copied());
    let resources = list(resource.iter().map(String::as_str));
    let conditions: String = condition
        .iter()
        .flat_map(|(operator, keys)| keys.iter().map(move |(key, value)| (operator, key, value)))
        .map(|(operator, key, value)| {
            let (key, value) = (quoted(key), quoted(value));
            format!(
                r#"
    condition {{
      test     = "{operator}"
      variable = {key}
      values   = [{value}]
    }}
"#
            )
        })
        .collect();
    format!(
        r#"  statement {{
    sid    = "{sid}"
    effect = "{effect}"

    actions = {actions}

    resources = {resources}
{conditions}  }}
"#
    )
}

/// A list, with a line for each element.
fn list<'a>(elements: impl Iterator<Item = &'a str>) -> String {
    let lines: String = elements.map(|one| format!("      {},\n", quoted(one))).collect();
    format!("[\n{lines}    ]")
}

/// A text as a literal of HCL, in which `${` and `%{` would begin an expression.
fn quoted(text: &str) -> String {
    let mut literal = String::from("\"");
    let mut characters = text.chars().peekable();
    while let Some(one) = characters.next() {
        match one {
            '"' | '\\' => literal.extend(['\\', one]),
            '$' | '%' if characters.peek() == Some(&'{') => literal.extend([one, one]),
            _ if one.is_control() => literal.push_str(&format!("\\u{:04x}", u32::from(one))),
            _ => literal.push(one),
        }
    }
    literal.push('"');
    literal
}
