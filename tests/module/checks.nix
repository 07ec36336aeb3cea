# The checks of `nix flake check`.
{
  agenix,
  pkgs,
  self,
}:

let
  inherit (pkgs) lib;

  source = self.outPath;
  # All of the lock, and the jobs.
  python = (pkgs.callPackage ../../modules/packages/python.nix { group = "tests"; }).withPackages (
    ps: [
      (ps.callPackage ../../modules/packages/etl.nix { })
      ps.apache-airflow
    ]
  );

  mkCheck =
    name: inputs: script:
    pkgs.runCommand name { nativeBuildInputs = inputs; } ''
      cp -r --no-preserve=mode ${source} source
      cd source
      export HOME=$TMPDIR
      ${script}
      touch $out
    '';

  # A machine test is tests/nixos/NAME.nix, a function from the flake to its machines, and
  # NAME.py, its script; it runs on virtual machines, and in containers where it can.
  nixosTests = source + "/tests/nixos";
  names = map (lib.removeSuffix ".nix") (
    lib.filter (lib.hasSuffix ".nix") (lib.attrNames (builtins.readDir nixosTests))
  );
  machines = name: import (nixosTests + "/${name}.nix") self;
  # NixOS refuses specialisations in containers.
  containable = name: !lib.any (machine: machine ? specialisation) (lib.attrValues (machines name));
  mkNixosTest =
    kind: name:
    pkgs.testers.runNixOSTest {
      name = "${name}-${kind}";
      ${if kind == "vm" then "nodes" else "containers"} = machines name;
      testScript = ''
        OPERATIONS = ${builtins.toJSON (builtins.readFile (source + "/modules/OPERATIONS.md"))}
      ''
      + lib.concatMapStrings builtins.readFile [
        (nixosTests + "/support/prelude.py")
        (nixosTests + "/${name}.py")
      ];
    };
in
{
  formatting = mkCheck "formatting" [ pkgs.nixfmt ] ''
    find . -name '*.nix' -exec nixfmt --check {} +
  '';

  # The evaluation of the modules, and whether what is kept of them is up to date.
  modules = mkCheck "modules" [ pkgs.nix pkgs.systemd python ] ''
    export NIXPKGS=${pkgs.path} AGENIX=${agenix} NIX_STATE_DIR=$TMPDIR/nix
    pytest tests/module
  '';

  unit-tests = mkCheck "unit-tests" [ python ] ''
    pytest tests/unit
  '';
}
// lib.genAttrs' names (name: lib.nameValuePair "nixos-${name}-vm" (mkNixosTest "vm" name))
// lib.genAttrs' (lib.filter containable names) (
  name: lib.nameValuePair "nixos-${name}-container" (mkNixosTest "container" name)
)
