# The web page behind nginx, and the same by HTTPS.
self: {
  machine = {
    imports = [
      self.nixosModules.default
      ./hosts/pipeline.nix
      ./support
      ./support/vm.nix
    ];
    specialisation.tls.configuration = ./hosts/pipeline_tls.nix;
  };
}
