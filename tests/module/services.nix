# The options of other services and of the system that the modules set, with NixOS's
# names, types and defaults, and the units that those services bring.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib) mkOption types;

  option = type: default: mkOption { inherit type default; };
  # Where a name is all that matters to these modules.
  anything = option (types.attrsOf types.anything) { };
  setting = types.attrsOf (
    types.oneOf [
      types.bool
      types.int
      types.str
      (types.listOf types.str)
    ]
  );

  redisServer =
    { name, ... }:
    {
      options = {
        enable = lib.mkEnableOption "Redis";
        user = option types.str "redis-${name}";
        group = option types.str "redis-${name}";
        port = option types.port 0;
        openFirewall = option types.bool false;
        extraParams = option (types.listOf types.str) [ ];
        bind = option (types.nullOr types.str) "127.0.0.1";
        unixSocket = option (types.nullOr types.path) "/run/redis-${name}/redis.sock";
        unixSocketPerm = option types.int 660;
        requirePassFile = option (types.nullOr types.path) null;
        save = option (types.listOf (types.listOf types.int)) [ ];
        appendOnly = option types.bool false;
        appendFsync = option types.str "everysec";
        settings = option setting { };
      };
    };

  location.options = {
    proxyPass = option (types.nullOr types.str) null;
    proxyWebsockets = option types.bool false;
    recommendedProxySettings = option types.bool false;
    extraConfig = option types.lines "";
    priority = option types.int 1000;
  };

  virtualHost.options = {
    serverName = option (types.nullOr types.str) null;
    enableACME = option types.bool false;
    addSSL = option types.bool false;
    onlySSL = option types.bool false;
    forceSSL = option types.bool false;
    extraConfig = option types.lines "";
    locations = option (types.attrsOf (types.submodule location)) { };
  };

  user =
    { name, ... }:
    {
      options = {
        name = option types.str name;
        description = option types.str "";
        isSystemUser = option types.bool false;
        group = option types.str "";
        extraGroups = option (types.listOf types.str) [ ];
        home = option types.path "/var/empty";
      };
    };

  exporter = port: {
    enable = lib.mkEnableOption "the exporter";
    port = option types.port port;
    listenAddress = option types.str "0.0.0.0";
    extraFlags = option (types.listOf types.str) [ ];
  };

  redis = lib.filterAttrs (_: server: server.enable) config.services.redis.servers;
in
{
  options = {
    assertions = option (types.listOf types.unspecified) [ ];
    warnings = option (types.listOf types.str) [ ];

    environment = {
      etc = anything;
      systemPackages = option (types.listOf types.package) [ ];
    };

    networking = {
      firewall = {
        allowedTCPPorts = option (types.listOf types.port) [ ];
        allowedUDPPorts = option (types.listOf types.port) [ ];
        interfaces = option (types.attrsOf types.attrs) { };
      };
      hostName = option types.str "nixos";
      hosts = option (types.attrsOf (types.listOf types.str)) { };
      wireguard.interfaces = option (types.attrsOf types.attrs) { };
    };

    users = {
      groups = option (types.attrsOf (types.submodule { })) { };
      users = option (types.attrsOf (types.submodule user)) { };
    };

    services = {
      mysql = {
        enable = lib.mkEnableOption "MySQL";
        package = mkOption { type = types.package; };
        secureSuperUserByDefault = option types.bool true;
        settings = option (types.attrsOf setting) { };
        ensureDatabases = option (types.listOf types.str) [ ];
        ensureUsers = option (types.listOf (
          types.submodule {
            options = {
              name = mkOption { type = types.str; };
              ensurePermissions = option (types.attrsOf types.str) { };
            };
          }
        )) [ ];
      };
      redis.servers = option (types.attrsOf (types.submodule redisServer)) { };
      nginx = {
        enable = lib.mkEnableOption "nginx";
        virtualHosts = option (types.attrsOf (types.submodule virtualHost)) { };
      };
      prometheus = {
        enable = lib.mkEnableOption "Prometheus";
        listenAddress = option types.str "0.0.0.0";
        exporters = {
          mysqld = exporter 9104 // {
            configFile = mkOption { type = types.path; };
          };
          redis = exporter 9121;
          statsd = exporter 9102;
        };
        ruleFiles = option (types.listOf types.path) [ ];
        scrapeConfigs = option (types.listOf types.anything) [ ];
      };
      getty = anything;
      openssh = anything;
    };

    age = anything;
    boot = option (types.submodule {
      freeformType = types.attrsOf types.anything;
      # As NixOS has it: whoever sets a value is the only one.
      options.kernel.sysctl = option (types.attrsOf (types.uniq types.int)) { };
    }) { };
    fileSystems = anything;
    nixpkgs = anything;
    security = anything;
    system = anything;
  };

  config = {
    systemd.services = lib.mkMerge [
      (lib.mkIf config.services.mysql.enable {
        mysql = {
          description = "MySQL Server";
          wantedBy = [ "multi-user.target" ];
          serviceConfig = {
            ExecStart = "${config.services.mysql.package}/bin/mysqld";
            Restart = "on-abnormal";
            RestartSec = "5s";
          };
        };
      })
      (lib.mkIf config.services.nginx.enable {
        nginx = {
          description = "Nginx Web Server";
          wantedBy = [ "multi-user.target" ];
          serviceConfig.ExecStart = "nginx";
        };
      })
      (lib.mapAttrs' (
        name: server:
        lib.nameValuePair "redis-${name}" {
          description = "Redis Server - redis-${name}";
          wantedBy = [ "multi-user.target" ];
          serviceConfig = {
            ExecStart = "redis-server";
            User = server.user;
            Group = server.group;
          };
        }
      ) redis)
    ];

    users = lib.mkMerge (
      lib.mapAttrsToList (name: server: {
        groups.${server.group} = { };
        users.${server.user} = {
          description = "System user for the redis-server instance ${name}";
          isSystemUser = true;
          group = server.group;
        };
      }) redis
    );
  };
}
