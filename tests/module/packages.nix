# Stands in for nixpkgs: every package is a path, and every file that a module writes is
# reported on the way ("trace"), since nothing is built.
{ lib }:

let
  storePath =
    name: content:
    "${builtins.storeDir}/${
      builtins.substring 0 32 (builtins.hashString "sha256" "${name} ${content}")
    }-${name}";

  derivation =
    attributes:
    let
      self = {
        type = "derivation";
        outputs = [ "out" ];
        outputName = "out";
        out = self;
        bin = self;
        drvPath = "${self.outPath}.drv";
        meta = { };
        __toString = drv: drv.outPath;
        override = _: self;
        overrideAttrs = _: self;
      }
      // attributes;
    in
    self;

  report = what: builtins.trace "report: ${builtins.toJSON what}";

  mkPackage =
    pname: version: attributes:
    let
      name = if version == "" then pname else "${pname}-${version}";
      path = storePath name "";
    in
    derivation (
      {
        inherit name pname version;
        outPath = report { package = path; } path;
        meta.mainProgram = pname;
      }
      // attributes
    );

  mkFile =
    {
      name,
      text,
      executable ? false,
      destination ? "",
    }:
    let
      path = storePath name text;
    in
    derivation {
      inherit name text;
      pname = name;
      outPath = report {
        inherit executable text;
        file = "${path}${destination}";
      } path;
      meta.mainProgram = name;
    };

  shebang = "#!${packages.bash}/bin/bash\n";

  pythonPackages =
    lib.genAttrs [
      "aiobotocore"
      "aiomysql"
      "apache-airflow"
      "flask"
      "flask-cors"
      "moto"
      "mysqlclient"
      "redis"
      "statsd"
    ] (name: mkPackage name "" { })
    // {
      python = mkPackage "python3" "3.13" {
        sitePackages = "lib/python3.13/site-packages";
        withPackages =
          f:
          let
            names = lib.naturalSort (map lib.getName (f pythonPackages));
          in
          mkPackage "python3-env" "3.13" {
            contents = names;
            # Other packages make another environment.
            outPath =
              let
                path = storePath "python3-3.13-env" (toString names);
              in
              report {
                package = path;
                contents = names;
              } path;
          };
      };
      callPackage = callNamed;
    };

  # A recipe of the project, by the name of its file.
  callNamed =
    path: _:
    let
      name = lib.removeSuffix ".nix" (baseNameOf path);
    in
    {
      airflow = mkPackage "airflow" "" { inherit pythonPackages; };
      inherit (pythonPackages) python;
    }
    .${name} or (mkPackage name "" { });

  packages =
    lib.genAttrs [
      "bash"
      "coreutils"
      "curl"
      "findutils"
      "git"
      "glibcLocales"
      "gnugrep"
      "gnused"
      "jq"
      "openssh"
      "systemd"
      "tzdata"
      "util-linux"
      "zstd"
    ] (name: mkPackage name "" { })
    // {
      mariadb = mkPackage "mariadb-server" "11.8" { };
      mysql84 = mkPackage "mysql" "8.4" { };

      callPackage = callNamed;
      writeText = name: text: mkFile { inherit name text; };
      writeTextDir =
        destination: text:
        mkFile {
          name = baseNameOf destination;
          destination = "/${destination}";
          inherit text;
        };
      writeShellScript =
        name: text:
        mkFile {
          inherit name;
          text = shebang + text;
          executable = true;
        };
      writeShellScriptBin =
        name: text:
        mkFile {
          inherit name;
          text = shebang + text;
          executable = true;
          destination = "/bin/${name}";
        };
    };
in
packages
