# Who can do what on the host, and what the units are denied.
self: {
  machine.imports = [
    self.nixosModules.default
    ./hosts/pipeline.nix
    ./support
    ./support/vm.nix
  ];
}
