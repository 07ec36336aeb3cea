# Secrets: where they are and where not, what happens without them, and how they are changed.
self: {
  machine.imports = [
    self.nixosModules.default
    ./hosts/pipeline.nix
    ./support
    ./support/vm.nix
  ];
}
