BeforeDiscovery {
    . $PSScriptRoot/Common.ps1
    $noServer = -not (Find-PostgresBin)
}

BeforeAll {
    . $PSScriptRoot/Common.ps1
}

Describe 'Test-WalRusConfiguration' {
    It 'emits one typed object a finding, of the declared output type' {
        $found = Test-WalRusConfiguration -Area Setting, Store, Library -Setting (New-FolderArchive)
        (Get-Command Test-WalRusConfiguration).OutputType.Type | Should -Contain $found[0].GetType()
        $found.Area | Select-Object -Unique | Should -Be 'Setting', 'Store', 'Library'
        $found | Where-Object Area -EQ Store | ForEach-Object Name | Should -Be 'Write', 'Read', 'Delete'
        $found.Status | Should -Not -Contain 'Failed'
        $row = $found[0] | ConvertTo-Csv | ConvertFrom-Csv
        $row.Name | Should -BeExactly 'WALG_FILE_PREFIX'
        $found | ConvertTo-Json -WarningVariable warnings | Out-Null
        $warnings | Should -BeNullOrEmpty
        $found | Out-String -Width 200 | Should -Match '(?s)Area: Store.*Passed\s+Write'
    }

    It 'leaves nothing in the store' {
        $archive = New-FolderArchive
        $null = Test-WalRusConfiguration -Setting $archive
        Get-ChildItem $archive.WALG_FILE_PREFIX -Force | Should -BeNullOrEmpty
    }

    It 'says with -Quiet whether anything failed' {
        Test-WalRusConfiguration -Area Setting, Store -Quiet -Setting (New-FolderArchive) | Should -BeTrue
        Test-WalRusConfiguration -Area Store -Quiet -Setting @{ WALG_FILE_PREFIX = Join-Path $TestDrive 'missing' } | Should -BeFalse
    }

    It 'shows what is wrong as findings with a recommended action, and no error' {
        $found = Test-WalRusConfiguration -Area Setting, Store -Setting @{ WALG_FILE_PREFIX = Join-Path $TestDrive 'missing'; WALG_UPLOAD_CONCURRENCY = 'many' } -ErrorVariable failed
        $failed | Should -BeNullOrEmpty
        $wrong = $found | Where-Object Status -EQ Failed
        $wrong.Count | Should -BeGreaterOrEqual 2
        $wrong.RecommendedAction | Should -Not -Contain $null
    }

    It 'shows settings that nobody has set with -All, with their defaults' {
        $found = Test-WalRusConfiguration -Area Setting -All -Setting (New-FolderArchive)
        $found.Count | Should -BeGreaterThan 100
        ($found | Where-Object Name -EQ WALG_COMPRESSION_METHOD).Source | Should -Be 'default'
    }

    It 'looks at a real server' -Skip:$noServer {
        $server = New-Postgres -ArchiveCommand 'walrus wal-push %p'
        try {
            Start-Postgres $server
            $setting = (New-FolderArchive) + @{ PGHOST = $server.Folder; PGUSER = 'postgres'; PGDATABASE = 'postgres' }
            $found = Test-WalRusConfiguration -Area Postgres, Clock -Setting $setting
            $found | Where-Object Area -EQ Postgres | ForEach-Object Name |
                Should -Be 'Connection', 'Version', 'wal_level', 'archive_mode', 'data_checksums', 'archive_command', 'Privileges', 'Archiver', 'summarize_wal'
            ($found | Where-Object Name -EQ archive_command).Status | Should -Be 'Passed'
            ($found | Where-Object Name -EQ data_checksums).Status | Should -Be 'Passed'
        }
        finally { Remove-Postgres $server }
    }

    It 'stops within a second at Ctrl+C, waiting for a store that does not answer' {
        $listener = [Net.Sockets.TcpListener]::new([Net.IPAddress]::Loopback, 0)
        $listener.Start()
        try {
            $setting = @{ WALG_S3_PREFIX = 's3://b/x'; AWS_ENDPOINT = "http://127.0.0.1:$($listener.LocalEndpoint.Port)"; AWS_REGION = 'x'; AWS_ACCESS_KEY_ID = 'x'; AWS_SECRET_ACCESS_KEY = 'x' }
            $stopped = Stop-RunningPipeline { param($s) Test-WalRusConfiguration -Area Store -Setting $s } (, $setting) -Started { $listener.Pending() }
            $stopped.RanToItsEnd | Should -BeFalse
            $stopped.StopTime.TotalSeconds | Should -BeLessThan 1
            $stopped.Errors | Should -BeNullOrEmpty
        }
        finally { $listener.Stop() }
    }
}
