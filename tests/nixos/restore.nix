# The pipeline on one host, which loses its data and gets it back.
self: {
  machine.imports = [
    self.nixosModules.default
    ./hosts/pipeline.nix
    ./support
    ./support/vm.nix
  ];
}
