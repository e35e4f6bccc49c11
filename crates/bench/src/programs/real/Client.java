import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.ArrayList;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;

/** Fetches all URLs of its command line at once; gives a connection ten seconds, as services often do. */
class Client {
    public static void main(String[] places) {
        var client = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(Duration.ofSeconds(10))
            .build();
        var got = new AtomicInteger();
        var all = new ArrayList<CompletableFuture<Void>>();
        for (var place : places) {
            var request = HttpRequest.newBuilder(URI.create(place)).build();
            all.add(client.sendAsync(request, BodyHandlers.ofByteArray()).handle((answer, error) -> {
                if (error == null) {
                    got.incrementAndGet();
                } else {
                    System.err.println("error: " + error);
                }
                return null;
            }));
        }
        CompletableFuture.allOf(all.toArray(new CompletableFuture[0])).join();
        System.out.println(got);
        // Its worker threads would keep the process for a while.
        System.exit(0);
    }
}
