# The options of systemd units that NixOS has, with its types: a misspelt option is an
# error here as it is there.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib) mkOption types;

  unitName = types.strMatching "[a-zA-Z0-9@%:_.\\-]+[.](service|socket|device|mount|automount|swap|target|path|timer|scope|slice)";

  # A list is an option that repeats; lists and single values add up.
  unitOption = lib.mkOptionType {
    name = "systemd option";
    merge =
      location: definitions:
      let
        kept = lib.filterOverrides definitions;
      in
      if lib.any (definition: lib.isList definition.value) kept then
        lib.concatMap (definition: lib.toList definition.value) kept
      else
        lib.mergeEqualOption location kept;
  };

  option =
    type: default:
    mkOption {
      inherit type default;
    };
  units = option (types.listOf unitName) [ ];
  settings = option (types.attrsOf unitOption) { };

  common = {
    enable = option types.bool true;
    description = option types.singleLineStr "";
    documentation = option (types.listOf types.str) [ ];
    aliases = units;
    after = units;
    before = units;
    bindsTo = units;
    conflicts = units;
    onFailure = units;
    onSuccess = units;
    partOf = units;
    requiredBy = units;
    requires = units;
    requisite = units;
    upheldBy = units;
    upholds = units;
    wantedBy = units;
    wants = units;
    unitConfig = settings;
    startLimitBurst = mkOption { type = types.int; };
    startLimitIntervalSec = mkOption { type = types.int; };
    restartTriggers = option (types.listOf types.unspecified) [ ];
    reloadTriggers = option (types.listOf unitOption) [ ];
  };

  script = option types.lines "";

  service =
    { config, name, ... }:
    {
      options = common // {
        environment = option (types.attrsOf (
          types.nullOr (
            types.oneOf [
              types.str
              types.path
              types.package
            ]
          )
        )) { };
        path = option (types.listOf (types.either types.package types.str)) [ ];
        enableDefaultPath = option types.bool true;
        serviceConfig = settings;
        inherit script;
        scriptArgs = option types.str "";
        preStart = script;
        postStart = script;
        preStop = script;
        postStop = script;
        reload = script;
        restartIfChanged = option types.bool true;
        reloadIfChanged = option types.bool false;
        stopIfChanged = option types.bool true;
        startAt = mkOption {
          type = types.either types.str (types.listOf types.str);
          default = [ ];
          apply = lib.toList;
        };
      };

      config = lib.mkMerge [
        {
          path = lib.mkIf config.enableDefaultPath (
            lib.mkAfter [
              pkgs.coreutils
              pkgs.findutils
              pkgs.gnugrep
              pkgs.gnused
              pkgs.systemd
            ]
          );
          environment = {
            LOCALE_ARCHIVE = "${pkgs.glibcLocales}/lib/locale/locale-archive";
            PATH =
              lib.mkIf (config.path != [ ])
                "${lib.makeBinPath config.path}:${lib.makeSearchPathOutput "bin" "sbin" config.path}";
            TZDIR = "${pkgs.tzdata}/share/zoneinfo";
          };
        }
        (lib.mkIf (config.script != "") {
          serviceConfig.ExecStart = "${pkgs.writeShellScript "unit-script-${name}-start" "set -e\n${config.script}"} ${config.scriptArgs}";
        })
      ];
    };

  submodules =
    module:
    mkOption {
      type = types.attrsOf (types.submodule module);
      default = { };
    };

  tmpfile.options = {
    user = option types.str "-";
    group = option types.str "-";
    mode = option types.str "-";
    age = option types.str "-";
    argument = option types.str "";
  };
in
{
  options.systemd = {
    services = submodules service;
    targets = submodules { options = common; };
    timers = submodules {
      options = common // {
        timerConfig = settings;
      };
    };
    sockets = submodules {
      options = common // {
        listenStreams = option (types.listOf types.str) [ ];
        socketConfig = settings;
      };
    };
    tmpfiles.settings = option (types.attrsOf (
      types.attrsOf (types.attrsOf (types.submodule tmpfile))
    )) { };
  };

  config.systemd.timers =
    lib.mapAttrs
      (_: scheduled: {
        wantedBy = [ "timers.target" ];
        timerConfig.OnCalendar = scheduled.startAt;
      })
      (
        lib.filterAttrs (_: scheduled: scheduled.enable && scheduled.startAt != [ ]) config.systemd.services
      );
}
