// Everyone who administers an organization is an org-admin. Nobody who is on leave comes in.
(function () {
    if (resource && resource.onLeave) {
        throw { code: 401, message: "on leave" };
    }
    if (resource && resource.adminOfOrg && resource.adminOfOrg.length > 0) {
        security.authorization.roles = security.authorization.roles.concat("internal/role/org-admin");
    }
    return security;
}());
