# Edit here: how a folder with a pyproject.toml and a wheels.json becomes an environment.
{ lib, pkgs }:
{ folder, port }:
let
  inherit (pkgs) stdenv;
  inherit (stdenv.hostPlatform) system isLinux;
  python = pkgs.python313; # what the lock chose its wheels for

  inherit (lib.importTOML (folder + "/pyproject.toml")) project;
  locked = lib.importJSON (folder + "/wheels.json");

  # nixpkgs keeps it beside the Pythons; until 2023 each Python had its own.
  fetchPypi = pkgs.fetchPypi or python.pkgs.fetchPypi;

  # A wheel's file name says everything that its address is made of.
  fetch =
    wheel:
    let
      part = lib.elemAt (lib.splitString "-" (lib.removeSuffix ".whl" wheel.file));
    in
    fetchPypi {
      format = "wheel";
      pname = part 0;
      version = part 1;
      dist = part 2;
      python = part 2;
      abi = part 3;
      platform = part 4;
      inherit (wheel) sha256;
    };

  wheelsOf = group: locked.${group}.any ++ locked.${group}.${system};
  builder = lib.findFirst (wheel: wheel.name == "flit-core") null (wheelsOf "run");

  # The service's own wheel, as its own builder makes it; a wheel can be imported where it lies.
  own = stdenv.mkDerivation {
    pname = "${project.name}-wheel";
    inherit (project) version;
    src = lib.fileset.toSource {
      root = folder;
      fileset = lib.fileset.unions [
        (folder + "/pyproject.toml")
        (folder + "/src")
      ];
    };
    nativeBuildInputs = [ python ];
    dontBuild = true;
    installPhase = ''
      PYTHONPATH=${fetch builder} python -m flit_core.wheel --outdir $out
    '';
  };

  # A folder of wheels under their own names: those of the store begin with a hash, which pip cannot read.
  folderOf =
    wheels:
    pkgs.linkFarm "${project.name}-wheels" (
      map (wheel: {
        name = wheel.file;
        path = fetch wheel;
      }) wheels
    );

  # A virtual environment of exactly the locked wheels and the service. Installed by name: pip
  # would write the path of a file into the environment, and so keep all wheels beside it.
  environment =
    name: groups:
    let
      wheels = lib.concatMap wheelsOf groups;
      names = map (wheel: wheel.name) wheels ++ [ project.name ];
    in
    stdenv.mkDerivation {
      pname = name;
      inherit (project) version;
      dontUnpack = true;
      dontBuild = true;
      dontStrip = true; # the wheels stay what they are
      nativeBuildInputs = [
        python
        python.pkgs.pip
      ]
      ++ lib.optional isLinux pkgs.autoPatchelfHook;
      buildInputs = lib.optionals isLinux [
        stdenv.cc.cc.lib
        pkgs.zlib
      ];
      installPhase = ''
        runHook preInstall
        python -m venv --without-pip $out
        pip --python $out/bin/python install --quiet --no-index --no-deps --no-cache-dir --no-compile \
          --find-links ${folderOf wheels} --find-links ${own} ${lib.escapeShellArgs names}
        pip --python $out/bin/python check
        python -m compileall -q --invalidation-mode unchecked-hash $out/${python.sitePackages}
        install -D --mode=444 ${folder + "/gunicorn.conf.py"} $out/etc/gunicorn.conf.py
        runHook postInstall
      '';
      meta = {
        inherit (project) description;
        license = lib.licenses.mit;
        mainProgram = project.name;
        platforms = lib.platforms.linux;
      };
    };
in
{
  inherit folder port project;
  wheels = wheelsOf "run";
  path = ".${lib.removePrefix (toString ../.) (toString folder)}"; # from the root of the repository
  package = environment project.name [ "run" ];
  testing = environment "${project.name}-testing" [
    "run"
    "test"
  ];
}
