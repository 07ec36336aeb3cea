# nixpkgs' Python, with packages of the project's lock in the place of its own.
{
  lib,
  autoPatchelfHook,
  python313,
  stdenv,
  zlib,

  # What wheels.py has written.
  wheels ? ./wheels.json,
  # Hosts' packages; "tests" are all that the lock has.
  group ? "airflow",
}:

let
  packages = lib.filter (
    package: lib.elem stdenv.hostPlatform.system package.systems && lib.elem group package.groups
  ) (lib.importJSON wheels);
  names = map (package: package.name) packages;

  mkLocked =
    final: prev:
    {
      name,
      source,
      dependencies,
      ...
    }:
    let
      src = final.fetchPypi source;
      native = source.platform != "any";
      # It names none of Airflow's own packages, which need each other in circles.
      brought = if name == "apache-airflow" then lib.remove name names else dependencies;
    in
    if source.format == "wheel" then
      final.buildPythonPackage {
        pname = name;
        inherit (source) version format;
        inherit src;
        nativeBuildInputs = lib.optional native autoPatchelfHook;
        buildInputs = lib.optionals native [
          stdenv.cc.cc.lib
          zlib
        ];
        dependencies = map (dependency: final.${dependency}) brought;
        dontCheckRuntimeDeps = true;
      }
    else
      # For it to be built, nixpkgs knows what it needs beside Python.
      prev.${name}.overridePythonAttrs {
        inherit (source) version;
        inherit src;
      };

  python = python313.override {
    self = python;
    packageOverrides =
      final: prev:
      lib.listToAttrs (
        map (package: lib.nameValuePair package.name (mkLocked final prev package)) packages
      );
  };
in
python
