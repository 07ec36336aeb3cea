# A host, and the later version of its configuration that it is switched to.
self: {
  machine = {
    imports = [
      self.nixosModules.default
      ./hosts/pipeline.nix
      ./support
      ./support/vm.nix
    ];
    specialisation.upgraded.configuration = ./hosts/pipeline_upgraded.nix;
  };
}
