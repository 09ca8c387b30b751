// Everyone who administers an organization is an org-admin.
(function () {
    if (resource && resource.adminOfOrg && resource.adminOfOrg.length > 0) {
        security.authorization.roles = security.authorization.roles.concat("internal/role/org-admin");
    }
    return security;
}());
