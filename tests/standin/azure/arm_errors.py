"""Errors in the format of Azure Resource Manager."""

from __future__ import annotations

from typing import Any


class ArmError(Exception):
    """A response with `{"error": {"code", "message"}}`."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        headers: list[tuple[str, str]] | None = None,
        details: list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(code, message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or []
        self.details = details

    def body(self) -> dict[str, Any]:
        """The JSON body."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.details is not None:
            error["details"] = self.details
        return {"error": error}


def not_found(resource_id: str, kind: str, group: str | None) -> ArmError:
    """The resource does not exist. `kind` is its type, with its name at the end."""
    text = f"The Resource '{kind}' under resource group '{group}' was not found."
    more = "For more details please go to https://aka.ms/ARMResourceNotFoundFix"
    return ArmError(404, "ResourceNotFound", f"{text} {more}")


def group_not_found(group: str) -> ArmError:
    """The resource group does not exist."""
    text = f"Resource group '{group}' could not be found."
    return ArmError(404, "ResourceGroupNotFound", text)


def parent_not_found(action: str, path: str) -> ArmError:
    """A parent of the resource does not exist."""
    text = (
        f"Can not perform requested operation on nested resource. "
        f"Parent resource '{path}' not found."
    )
    return ArmError(404, "ParentResourceNotFound", text)


def forbidden(permission: str, scope: str) -> ArmError:
    """The caller lacks a permission."""
    client = "00000000-0000-0000-0000-00000000c11e"
    text = (
        f"The client '{client}' with object id '{client}' does not have authorization to "
        f"perform action '{permission}' over scope '{scope}' or the scope is invalid. If "
        "access was recently granted, please refresh your credentials."
    )
    return ArmError(403, "AuthorizationFailed", text)


def locked(scope: str, operation: str, locks: list[str]) -> ArmError:
    """A lock on the resource or on one of its parents forbids the operation."""
    text = (
        f"The scope '{scope}' cannot perform {operation} operation because following "
        f"scope(s) are locked: '{','.join(locks)}'. Please remove the lock and try again."
    )
    return ArmError(409, "ScopeLocked", text)


def conflict(code: str, message: str) -> ArmError:
    """The state of the resource forbids the operation."""
    return ArmError(409, code, message)


def bad_request(code: str, message: str) -> ArmError:
    """The request is invalid."""
    return ArmError(400, code, message)
