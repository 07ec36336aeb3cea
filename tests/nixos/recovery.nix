# The pipeline on one host, parts of which fail.
self: {
  machine.imports = [
    self.nixosModules.default
    ./hosts/pipeline.nix
    ./support
    ./support/vm.nix
  ];
}
