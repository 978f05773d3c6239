BeforeAll {
    . $PSScriptRoot/Common.ps1
    . $PSScriptRoot/Chain.ps1
}

Describe 'Get-PgRetentionPlan' {
    BeforeEach {
        $archive = New-FolderArchive
        $full, $delta, $later = Add-Chain $archive
    }

    It 'says of each backup and of the WAL what stays, what goes, and why' {
        $plan = @(Get-PgRetentionPlan @{ KeepLast = 1 } -Setting $archive)
        $plan.Kind | Should -Be Backup, Backup, Backup, Wal, Wal
        $plan.Action | Should -Be Drop, Drop, Keep, Drop, Keep
        $plan.Rule | Should -Be Obsolete, Obsolete, KeepLast, Obsolete, NeededByBackup
        $plan.Reason | ForEach-Object { $_ | Should -Not -BeNullOrEmpty }
        $plan[3].Name, $plan[3].LastName, $plan[3].ObjectCount | Should -Be '000000010000000000000001', '000000010000000000000008', 8
        $plan[0].ObjectCount | Should -Be 2
        $plan[0].Time | Should -BeOfType ([DateTimeOffset])
    }

    It 'keeps what a delta is based on' {
        $null = Remove-PgBackup $later -Setting $archive -Confirm:$false
        (Get-PgRetentionPlan @{ KeepLast = 1 } -Setting $archive).Rule[0..1] | Should -Be NeededByDelta, KeepLast
    }

    It 'has a window of its own for WAL' {
        $plan = @(New-PgRetentionPolicy -KeepLast 3 -PointInTimeWindow '01:00:00' | Get-PgRetentionPlan -Setting $archive)
        $plan.Where({ $_.Kind -eq 'Backup' }).Action | Select-Object -Unique | Should -Be Keep
        $plan.Where({ $_.Rule -eq 'PointInTimeWindow' }).Name | Should -Be '000000010000000000000009'
        $plan.Where({ $_.Rule -eq 'NeededByBackup' }).ObjectCount | Should -Be 2
    }

    It 'shows every object when asked' {
        $plan = @(Get-PgRetentionPlan @{ KeepLast = 1 } -EveryObject -Setting $archive)
        $plan.Count | Should -Be 18
        $plan.State | Sort-Object -Unique | Should -Be Kept, Planned
        $plan.Where({ $_.Key -like '*08.lz4' }).State | Should -Be Planned
    }

    It 'changes nothing, and prints as a table' {
        $before = Get-FileList $archive.WALG_FILE_PREFIX
        Get-PgRetentionPlan @{ KeepLast = 1 } -Setting $archive | Out-String -Width 200 |
            Should -Match 'Drop\s+Backup\s+base_000000010000000000000003\s+2\s+\S+ \S+\s+Obsolete\s+no rule keeps it'
        Get-FileList $archive.WALG_FILE_PREFIX | Should -Be $before
    }

    It 'refuses a policy that keeps nothing' {
        { Get-PgRetentionPlan @{} -Setting $archive -ErrorAction Stop } | Should -Throw -ErrorId 'InvalidArgument,*'
    }
}
