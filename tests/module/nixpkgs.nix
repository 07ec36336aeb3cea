# The flake with a whole nixpkgs: its outputs, and the hosts of hosts.nix as real systems.
# Nothing is fetched, for the trees of its inputs are given.
{ nixpkgs, agenix }:

let
  systems = ./nixos/systems.nix;
  inputs = {
    inherit systems;
    nixpkgs = (import (nixpkgs + "/flake.nix")).outputs { self = inputs.nixpkgs; } // {
      outPath = nixpkgs;
    };
    agenix =
      (import (agenix + "/flake.nix")).outputs {
        inherit systems;
        inherit (inputs) nixpkgs;
        self = inputs.agenix;
        darwin = { };
        home-manager = { };
      }
      // {
        outPath = agenix;
      };
    self = (import ../../flake.nix).outputs inputs // {
      outPath = ../..;
    };
  };
  inherit (inputs) self;
  inherit (inputs.nixpkgs) lib;
  render = import ./render.nix { inherit lib; };

  # What every machine has and no host of the tests says.
  machine = {
    boot.loader.grub.enable = false;
    fileSystems."/" = {
      device = "/dev/disk/by-label/root";
      fsType = "ext4";
    };
    nixpkgs.hostPlatform = "x86_64-linux";
    system.stateVersion = "26.05";
  };
in
{
  inherit (inputs) nixpkgs;

  # By system where there is one; whatever else can be built is to be evaluated too.
  derivations = {
    inherit (self) packages;
    checks = { inherit (self.checks) x86_64-linux; };
    devShells = { inherit (self.devShells) x86_64-linux; };
    formatter.x86_64-linux.default = self.formatter.x86_64-linux;
    apps = lib.mapAttrs (_: lib.mapAttrs (_: app: app.program)) {
      inherit (self.apps) x86_64-linux;
    };
    nixosConfigurations.x86_64-linux = lib.mapAttrs (
      _: system: system.config.system.build.toplevel
    ) self.nixosConfigurations;
  };

  hosts = lib.mapAttrs (
    _: host:
    let
      inherit
        (lib.nixosSystem {
          modules = [
            self.nixosModules.default
            machine
            host
          ];
        })
        config
        ;
    in
    {
      inherit (render config) host;
      units = lib.mapAttrs (_: unit: {
        inherit (unit) text;
        install = {
          Alias = unit.aliases;
          RequiredBy = unit.requiredBy;
          WantedBy = unit.wantedBy;
        };
      }) (lib.filterAttrs (_: unit: unit.enable) config.systemd.units);
      refusals = map (one: one.message) (lib.filter (one: !one.assertion) config.assertions);
    }
  ) (import ./hosts.nix);
}
