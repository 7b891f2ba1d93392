"""Parameters of the template for several installations."""

from tests.ecs.template.resolved import ACCOUNT, REGION

SECRETS = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret"
LISTENERS = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:listener/app"
ROLES = f"arn:aws:iam::{ACCOUNT}:role"

WORKERS = {
    "Image": "registry.example/machinist:1",
    "Cluster": "machinist",
    "VpcId": "vpc-0123456789abcdef0",
    "Subnets": "subnet-0123456789abcdef0,subnet-0123456789abcdef1",
    "SealKeySecretArn": f"{SECRETS}:seal-key-AbCdEf",
    "WorkerAmqpUrlSecretArn": f"{SECRETS}:worker-amqp-AbCdEf",
    "WorkerSecurityGroups": "sg-0123456789abcdef0",
    "WorkloadCluster": "shop",
    "WorkloadSubnets": "subnet-0123456789abcdef2,subnet-0123456789abcdef3",
    "WorkloadSecurityGroups": "sg-0123456789abcdef1",
}
"""Workers for applications without routes, names and roles."""

APPLICATIONS = {
    "WorkloadExecutionRoleArn": f"{ROLES}/execution",
    "WorkloadTaskRoleArn": f"{ROLES}/application",
    "WorkloadLogGroup": "/apps/shop",
    "WorkloadListenerArn": f"{LISTENERS}/public/0123456789abcdef/fedcba9876543210",
    "WorkloadNamespaceId": "ns-0123456789abcdef",
}

GATEWAY = {
    "GatewayListenerArn": f"{LISTENERS}/internal/0123456789abcdef/0123456789abcdef",
    "GatewayHostname": "machinist.example",
    "GatewayAmqpUrlSecretArn": f"{SECRETS}:gateway-amqp-AbCdEf",
    "GatewaySecurityGroups": "sg-0123456789abcdef2",
}
JWT = {
    "Auth": "jwt",
    "AuthRightsSecretArn": f"{SECRETS}:rights-AbCdEf",
    "JwtIssuer": "https://issuer.example",
    "JwtAudience": "machinist",
    "JwtJwks": "https://issuer.example/keys",
}
TOKENS = {
    "Auth": "token",
    "AuthTokensSecretArn": f"{SECRETS}:tokens-AbCdEf",
    "AuthRightsSecretArn": f"{SECRETS}:rights-AbCdEf",
    "TrustedProxies": "10.0.0.0/24,10.0.1.0/24",
}
PRIVATE_IMAGE = {
    "ImageRepositoryArn": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/machinist",
    "SecretsKmsKeyArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/01234567-89ab-cdef",
}

WHOLE = WORKERS | APPLICATIONS | GATEWAY | TOKENS | PRIVATE_IMAGE
"""Every optional part."""

INSTALLATIONS = {
    "workers alone": WORKERS,
    "with a gateway and an issuer of tokens": WORKERS | APPLICATIONS | GATEWAY | JWT,
    "anonymous": WORKERS | GATEWAY | {"Auth": "none"},
    "whole": WHOLE,
}
