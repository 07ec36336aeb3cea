# The options of NixOS's module of this name that the modules set.
{ lib, ... }:

let
  inherit (lib) mkOption types;

  end = {
    address = mkOption {
      type = types.str;
      default = "";
    };
    port = mkOption { type = types.port; };
  };
in
{
  options.virtualisation = {
    cores = mkOption { type = types.ints.positive; };
    diskSize = mkOption { type = types.ints.positive; };
    graphics = mkOption { type = types.bool; };
    memorySize = mkOption { type = types.ints.positive; };
    forwardPorts = mkOption {
      type = types.listOf (
        types.submodule {
          options = {
            from = mkOption {
              type = types.enum [
                "host"
                "guest"
              ];
            };
            proto = mkOption {
              type = types.enum [
                "tcp"
                "udp"
              ];
              default = "tcp";
            };
            host = end;
            guest = end;
          };
        }
      );
      default = [ ];
    };
  };
}
