# A host that was told nothing but enable = true.
self: {
  machine.imports = [
    self.nixosModules.default
    ./hosts/single.nix
    ./support
    ./support/vm.nix
  ];
}
