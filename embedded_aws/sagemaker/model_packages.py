"""Model packages of the local listings, and models made from them."""

from typing import Any

from embedded_aws.gateway.refusal import AwsRefusal
from embedded_aws.gateway.regions import Operations, Params
from embedded_aws.listings import LISTINGS, Listing, listing_for_arn
from embedded_aws.sagemaker.records import RegionState, arn_of, as_made, page

FAMILIES = ("ml.g4dn.", "ml.g5.", "ml.g6.", "ml.g6e.", "ml.g7.", "ml.g7e.")
"""GPU families that the local listings say they run on, as Deepgram's do."""

ENVIRONMENT_REFUSED = (
    "Environment variable map cannot be specified when using a ModelPackage subscribed from AWS Marketplace."
)
"""AWS's words, as Deepgram's manual quotes them."""

ISOLATION_REFUSED = (
    "EnableNetworkIsolation must be set to true when creating a Model with a ModelPackage subscribed from AWS "
    "Marketplace."
)
"""That AWS refuses is documented; its wording is not, this is ours."""


class ModelOperations(Operations[RegionState]):
    """Operations on model packages and models."""

    def describe_model_package(self, p: Params) -> dict[str, Any]:
        """A local listing's package."""
        listing, arn = listing_of(self.state.region, p["ModelPackageName"])
        types = [t for t in self.state.quotas.instance_types if t.startswith(FAMILIES)]
        documents, audio = ["application/json"], ["audio/wav", "application/octet-stream"]
        content, answers = (documents, ["audio/*"]) if listing.protocol.speaks else (audio, documents)
        return self._package_row(listing, arn) | {
            "InferenceSpecification": {
                "Containers": [{"Image": listing.image, "ImageDigest": listing.digest}],
                "SupportedRealtimeInferenceInstanceTypes": types,
                "SupportedContentTypes": content,
                "SupportedResponseMIMETypes": answers,
            },
            "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
            "CertifyForMarketplace": True,
        }

    def list_model_packages(self, p: Params) -> dict[str, Any]:
        """The local listings' packages."""
        unversioned = "ModelPackageGroupName" in p or p.get("ModelPackageType") == "Versioned"
        # Only packages of a group have an approval status (API reference, ModelApprovalStatus).
        unversioned = unversioned or "ModelApprovalStatus" in p
        rows = [] if unversioned else [self._package_row(one, one.arn(self.state.region)) for one in LISTINGS]
        sort = {"Name": "ModelPackageName", "CreationTime": "CreationTime"}
        return page(rows, p, result="ModelPackageSummaryList", sort=sort, default=("CreationTime", "Ascending"))

    def create_model(self, p: Params) -> dict[str, Any]:
        """A model of a listing's package."""
        container = p.get("PrimaryContainer")
        if container is None or "ModelPackageName" not in container:
            raise AwsRefusal(
                "The embedded AWS runs the model packages of its own listings only: "
                "give one as PrimaryContainer.ModelPackageName."
            )
        listing_of(self.state.region, container["ModelPackageName"])
        if not p.get("EnableNetworkIsolation"):
            raise AwsRefusal(ISOLATION_REFUSED)
        if container.get("Environment"):
            raise AwsRefusal(ENVIRONMENT_REFUSED)
        model = self.state.new_resource("model", p["ModelName"], p)
        self.state.add(model)
        return {"ModelArn": model.arn}

    def describe_model(self, p: Params) -> dict[str, Any]:
        """A model as it was made."""
        model = self.state.find("model", p["ModelName"])
        return as_made(model) | {"ModelArn": model.arn, "CreationTime": model.created}

    def list_models(self, p: Params) -> dict[str, Any]:
        """Models by name or age."""
        rows = [{"ModelName": m.name, "ModelArn": m.arn, "CreationTime": m.created} for m in self.state.all("model")]
        sort = {"Name": "ModelName", "CreationTime": "CreationTime"}
        return page(rows, p, result="Models", sort=sort, default=("CreationTime", "Descending"))

    def delete_model(self, p: Params) -> dict[str, Any]:
        """Forget a model; endpoints that serve it go on."""
        self.state.remove(self.state.find("model", p["ModelName"]))
        return {}

    def _package_row(self, listing: Listing, arn: str) -> dict[str, Any]:
        return {
            "ModelPackageName": listing.model_package_name,
            "ModelPackageArn": arn,
            "ModelPackageDescription": listing.description,
            "CreationTime": self.state.started,
            "ModelPackageStatus": "Completed",
        }


def listing_of(here: str, arn_or_name: str) -> tuple[Listing, str]:
    """The listing that a model package ARN, or name and version, stands for in the region ``here``, and the ARN.

    Raises:
        AwsRefusal: there is none, or the ARN is another region's.
    """
    arn = arn_or_name
    if not arn.startswith("arn:"):
        name = arn if "/" in arn else f"{arn}/1"
        arn = f"{arn_of('model-package', here, '')}{name}"
    region = arn.split(":")[3] if arn.count(":") >= 5 else ""
    if region != here:
        raise AwsRefusal(f"Invalid ARN {arn}: its region is {region}, but the request was made in {here}.")
    listing = listing_for_arn(arn)
    if listing is None or listing.arn(region, arn.rpartition("/")[2]) != arn:
        raise AwsRefusal(f"ModelPackage {arn} does not exist.")
    return listing, arn
