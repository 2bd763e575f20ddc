"""Model packages of the local listings, and models made from them."""

from __future__ import annotations

from typing import Any

from embedded_aws.listings import Listing, listing_for_arn
from embedded_aws.sagemaker.records import Params, RegionState, Resource, arn_of, page, refuse

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


class ModelOperations:
    """Operations on model packages and models; each method is the API's operation of that name."""

    state: RegionState

    def describe_model_package(self, p: Params) -> dict[str, Any]:
        """A local listing's package."""
        listing = self.listing(p["ModelPackageName"])
        types = [t for t in self.state.quotas.instance_types if t.startswith(FAMILIES)]
        return self._package_row(listing) | {
            "InferenceSpecification": {
                "Containers": [{"Image": f"local/{listing.model_package_name}", "ImageDigest": "sha256:" + "0" * 64}],
                "SupportedRealtimeInferenceInstanceTypes": types,
                "SupportedContentTypes": ["audio/wav", "application/octet-stream"],
                "SupportedResponseMIMETypes": ["application/json"],
            },
            "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
            "CertifyForMarketplace": True,
        }

    def list_model_packages(self, p: Params) -> dict[str, Any]:
        """The local listings' packages."""
        unversioned = "ModelPackageGroupName" in p or p.get("ModelPackageType") == "Versioned"
        rows = [] if unversioned else [self._package_row(listing) for listing in self.state.listings]
        sort = {"Name": "ModelPackageName", "CreationTime": "CreationTime"}
        return page(rows, p, result="ModelPackageSummaryList", sort=sort, default=("CreationTime", "Ascending"))

    def create_model(self, p: Params) -> dict[str, Any]:
        """A model of a listing's package."""
        container = p.get("PrimaryContainer")
        if container is None or "ModelPackageName" not in container:
            raise refuse(
                "The embedded AWS runs the model packages of its own listings only: "
                "give one as PrimaryContainer.ModelPackageName."
            )
        listing = self.listing(container["ModelPackageName"])
        if not p.get("EnableNetworkIsolation"):
            raise refuse(ISOLATION_REFUSED)
        if container.get("Environment") and not listing.allows_environment:
            raise refuse(ENVIRONMENT_REFUSED)
        arn = arn_of("model", self.state.region, p["ModelName"])
        self.state.add(new_resource("model", p["ModelName"], arn, self.state, p))
        return {"ModelArn": arn}

    def describe_model(self, p: Params) -> dict[str, Any]:
        """A model as it was made."""
        model = self.state.find("model", p["ModelName"])
        kept = {key: value for key, value in model.request.items() if key != "Tags" and value not in ({}, [])}
        return kept | {"ModelArn": model.arn, "CreationTime": model.created}

    def list_models(self, p: Params) -> dict[str, Any]:
        """Models by name or age."""
        rows = [{"ModelName": m.name, "ModelArn": m.arn, "CreationTime": m.created} for m in self.state.all("model")]
        sort = {"Name": "ModelName", "CreationTime": "CreationTime"}
        return page(rows, p, result="Models", sort=sort, default=("CreationTime", "Descending"))

    def delete_model(self, p: Params) -> dict[str, Any]:
        """Forget a model; endpoints that serve it go on."""
        self.state.remove(self.state.find("model", p["ModelName"]))
        return {}

    def listing(self, arn_or_name: str) -> Listing:
        """The listing that a model package ARN, or name and version, stands for.

        Raises:
            ServiceException: there is none, or the ARN is another region's.
        """
        arn = arn_or_name
        if not arn.startswith("arn:"):
            name = arn if "/" in arn else f"{arn}/1"
            arn = f"{arn_of('model-package', self.state.region, '')}{name}"
        region = arn.split(":")[3] if arn.count(":") >= 5 else ""
        if region != self.state.region:
            raise refuse(f"Invalid ARN {arn}: its region is {region}, but the request was made in {self.state.region}.")
        listing = listing_for_arn(arn)
        if listing is None or listing.arn(region) != arn or listing not in self.state.listings:
            raise refuse(f"ModelPackage {arn} does not exist.")
        return listing

    def _package_row(self, listing: Listing) -> dict[str, Any]:
        return {
            "ModelPackageName": listing.model_package_name,
            "ModelPackageArn": listing.arn(self.state.region),
            "ModelPackageDescription": listing.description,
            "CreationTime": self.state.started,
            "ModelPackageStatus": "Completed",
        }


def new_resource(kind: str, name: str, arn: str, state: RegionState, request: Params) -> Resource:
    """A resource made now from ``request``, with its tags."""
    tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags", ())}
    return Resource(kind=kind, name=name, arn=arn, created=state.clock.now(), request=request, tags=tags)
