# What working on the project takes, beside the virtual environment of `make setup`.
{ pkgs, agenix }:

pkgs.mkShell {
  packages = [
    agenix.packages.${pkgs.stdenv.hostPlatform.system}.default
    pkgs.age
    pkgs.gnumake
    pkgs.nixfmt
    pkgs.python313
  ];
  env.NIXPKGS_LIB = "${pkgs.path}/lib";
}
