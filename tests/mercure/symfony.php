<?php
// Publishes with Symfony's Mercure component as its users do, and prints what the hub returned and the cookie of a
// subscriber, as JSON. Debian brings the component, but no library for tokens, so they are made here.
require 'Symfony/Component/Mercure/autoload.php';

use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\Mercure\Authorization;
use Symfony\Component\Mercure\Discovery;
use Symfony\Component\Mercure\Hub;
use Symfony\Component\Mercure\HubRegistry;
use Symfony\Component\Mercure\Jwt\FactoryTokenProvider;
use Symfony\Component\Mercure\Jwt\TokenFactoryInterface;
use Symfony\Component\Mercure\Update;

final class Tokens implements TokenFactoryInterface
{
    public function __construct(private string $key)
    {
    }

    public function create(?array $subscribe = [], ?array $publish = [], array $additionalClaims = []): string
    {
        $claims = ['mercure' => ['publish' => $publish, 'subscribe' => $subscribe], ...$additionalClaims];
        $end = $claims['exp'] ?? new DateTimeImmutable('+1 hour');
        $claims['exp'] = $end->getTimestamp();
        $signed = self::encode(['typ' => 'JWT', 'alg' => 'HS256']) . '.' . self::encode($claims);
        return $signed . '.' . self::base64(hash_hmac('sha256', $signed, $this->key, true));
    }

    private static function encode(array $part): string
    {
        return self::base64(json_encode($part, JSON_THROW_ON_ERROR));
    }

    private static function base64(string $bytes): string
    {
        return rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');
    }
}

[, $url, $publisherKey, $subscriberKey] = $argv;
$provider = new FactoryTokenProvider(new Tokens($publisherKey), [], ['*']);
$hub = new Hub($url, $provider, new Tokens($subscriberKey));
$book = 'https://example.com/books/1';

$ids = [
    $hub->publish(new Update($book, '{"status":"OutOfStock"}')),
    $hub->publish(new Update([$book, 'urn:other'], "two\nlines", true, 'urn:uuid:own', 'book', 3000)),
];

$registry = new HubRegistry($hub);
$request = Request::create($url);
$authorization = new Authorization($registry);
$cookie = $authorization->createCookie($request, ['https://example.com/books/{id}']);
(new Discovery($registry))->addLink($request);
$link = $request->attributes->get('_links')->getLinks()[0];

echo json_encode([
    'ids' => $ids,
    'cookie' => $cookie->getName() . '=' . $cookie->getValue(),
    'cookie_path' => $cookie->getPath(),
    'link' => [$link->getRels(), $link->getHref()],
]);
