# The web page behind nginx, the same by HTTPS, and with logins by OpenID Connect.
self: {
  machine = {
    imports = [
      self.nixosModules.default
      ./hosts/pipeline.nix
      ./support
      ./support/vm.nix
    ];
    specialisation.oidc.configuration = ./hosts/pipeline_oidc.nix;
    specialisation.tls.configuration = ./hosts/pipeline_tls.nix;
  };
}
